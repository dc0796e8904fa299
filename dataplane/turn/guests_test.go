package turn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

// gone reports whether the server closed the connection.
func (c *streamClient) gone() bool {
	c.w.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.conn.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func fromSource(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 1000)
}

func (w *world) refused(why refusal) uint64 {
	return w.server.Stats().ConnectionsRefused[refusalNames[why]]
}

// One source has its share of connections without an allocation, and others theirs.
func TestGuestsOfOneSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.GuestsPerSource = 2 })
		first := w.streamFrom(fromSource(1))
		w.streamFrom(fromSource(1))
		if !w.streamFrom(fromSource(1)).gone() || w.refused(refusedSource) != 1 {
			t.Error("a third connection of one source was taken")
		}
		if w.streamFrom(fromSource(2)).gone() {
			t.Error("another source was refused")
		}
		first.setUp() // no guest any more
		third := w.streamFrom(fromSource(1))
		if third.gone() {
			t.Error("refused for a connection that holds an allocation")
		}
		_ = third.conn.Close()
		synctest.Wait()
		if st := w.server.Stats(); st.Guests != 2 || st.Streams != 3 {
			t.Errorf("%d of %d connections are guests, want 2 of 3", st.Guests, st.Streams)
		}
	})
}

// When all places are taken the connection that waited longest goes; one with an
// allocation never does, until it gives that back.
func TestGuestsCrowdOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.server.guests.max = 2
		seated := w.streamFrom(fromSource(1))
		seated.setUp()
		oldest := w.streamFrom(fromSource(2))
		w.streamFrom(fromSource(3))
		w.streamFrom(fromSource(4))
		synctest.Wait()
		if !oldest.gone() || w.refused(refusedCrowd) != 1 || w.server.Stats().Guests != 2 {
			t.Errorf("the oldest is still there: %+v", w.server.Stats())
		}
		w.server.mu.Lock()
		if len(w.server.guests.bySource) != 2 {
			t.Errorf("sources %v", w.server.guests.bySource)
		}
		w.server.mu.Unlock()
		seated.ask(seated.sign(message(stun.MethodRefresh, stun.ClassRequest, lifetime(0))))
		if st := w.server.Stats(); st.Guests != 2 || w.refused(refusedCrowd) != 2 {
			t.Errorf("who gave its allocation back is no guest: %+v", st)
		}
	})
}

// Who opens one connection after the other is refused before anything is done for it.
func TestArrivalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var running sync.WaitGroup
		for range arrivalBurst + 10 {
			ours, theirs := net.Pipe()
			w.server.startStream(&running, pipe{theirs, serverAddr, clientAddr}, TCP, nil)
			_ = ours.Close()
			running.Wait()
		}
		if got := w.refused(refusedRate); got != 10 {
			t.Errorf("%d refused, want 10", got)
		}
		if w.streamFrom(fromSource(7)).gone() {
			t.Error("another source was refused")
		}
	})
}

// Who connects by TLS and then says nothing, or nonsense, is sent away.
func TestHalfOpenTLS(t *testing.T) {
	for name, say := range map[string]string{"nothing": "", "half a record": "\x16\x03\x01\x00\x80", "nonsense": "GET / HTTP/1.0\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				ours, theirs := net.Pipe()
				var running sync.WaitGroup
				w.server.startStream(&running, pipe{theirs, serverAddr, clientAddr}, TLS, &tls.Config{})
				go func() { _, _ = ours.Write([]byte(say)) }()
				go func() { _, _ = io.Copy(io.Discard, ours) }() // its alert
				later(handshakeTime)
				synctest.Wait()
				if st := w.server.Stats(); st.Guests != 0 || w.refused(refusedHandshake) != 1 {
					t.Errorf("%d guests, counted %v", st.Guests, st.ConnectionsRefused)
				}
				_ = ours.Close()
				running.Wait()
			})
		})
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	for why, do := range map[refusal]func(*streamClient){
		refusedIdle:    func(*streamClient) { later(strangerTime) },
		refusedSlow:    func(c *streamClient) { c.write([]byte{0x40, 0, 0, 9, 1}); later(frameTime) },
		refusedFraming: func(c *streamClient) { c.write([]byte("\x80\x00\x00\x01RTP")) },
	} {
		t.Run(refusalNames[why], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				do(w.stream())
				synctest.Wait()
				if got := w.refused(why); got != 1 {
					t.Errorf("counted %v", w.server.Stats().ConnectionsRefused)
				}
			})
		})
	}
}
