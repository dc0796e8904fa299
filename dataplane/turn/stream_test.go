package turn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v3"
)

// pipe is a connection inside the test that says it is TCP.
type pipe struct {
	net.Conn
	local, remote netip.AddrPort
}

func (p pipe) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(p.local) }
func (p pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.remote) }

// streamClient is a TCP client in the world.
type streamClient struct {
	*testClient
	conn    net.Conn
	in      *bufio.Reader
	running sync.WaitGroup
}

func (w *world) stream() *streamClient { return w.streamFrom(clientAddr) }

func (w *world) streamFrom(from netip.AddrPort) *streamClient {
	ours, theirs := net.Pipe()
	c := &streamClient{testClient: w.client(), conn: ours, in: bufio.NewReader(ours)}
	w.server.startStream(&c.running, pipe{theirs, serverAddr, from}, TCP, nil)
	w.t.Cleanup(func() { _ = ours.Close(); c.running.Wait() })
	return c
}

func (c *streamClient) write(b []byte) {
	c.w.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.w.t.Fatal(err)
	}
}

// read returns the next frame.
func (c *streamClient) read() []byte {
	c.w.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	frame, _, err := readFrame(c.in, nil)
	if err != nil {
		c.w.t.Fatal(err)
	}
	return frame
}

func (c *streamClient) ask(m *stun.Message) *stun.Message {
	c.w.t.Helper()
	c.write(m.Raw)
	answer := stun.New()
	if err := stun.Decode(c.read(), answer); err != nil {
		c.w.t.Fatal(err)
	}
	return answer
}

// setUp makes an allocation with channel 0x4000 to peerAddr.
func (c *streamClient) setUp() netip.AddrPort {
	c.w.t.Helper()
	answer := c.ask(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()))
	c.nonce, _ = answer.Get(stun.AttrNonce)
	answer = c.ask(c.sign(message(stun.MethodAllocate, stun.ClassRequest, udpTransport())))
	if codeOf(answer) != 0 {
		c.w.t.Fatalf("allocate answered with %d", codeOf(answer))
	}
	x := relayedOf(answer)[0]
	answer = c.ask(c.sign(message(stun.MethodChannelBind, stun.ClassRequest, channelNumber(0x4000), peer(peerAddr))))
	if codeOf(answer) != 0 {
		c.w.t.Fatalf("bind answered with %d", codeOf(answer))
	}
	return x
}

func TestStreamClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withJournal(t))
		c := w.stream()
		x := c.setUp()
		// RFC 8656 section 12.5: on a stream ChannelData is padded, in both directions,
		// and a frame may come in pieces or with others.
		two := appendFrame(appendFrame(nil, []byte("\x40\x00\x00\x01a")), []byte("\x40\x00\x00\x05fives"))
		c.write(two[:6])
		c.write(two[6:])
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "fives"}, w.payloads(peerAddr)); diff != "" {
			t.Errorf("peer received (-want +got):\n%s", diff)
		}
		w.send(peerAddr, x, []byte("b"), metaNone)
		w.run()
		if diff := cmp.Diff("\x40\x00\x00\x01b", string(c.read())); diff != "" {
			t.Errorf("client received (-want +got):\n%s", diff)
		}
		if w.relayed != 3 {
			t.Errorf("%d by flows, want 3", w.relayed)
		}
		later(permissionLifetime)
		c.write(two)
		w.send(peerAddr, x, []byte("b"), metaNone)
		synctest.Wait()
		if got := w.payloads(peerAddr); len(got) != 0 {
			t.Errorf("peer received %q without permission", got)
		}
		if n := w.server.Stats().Streams; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// A TCP client and a UDP client with the same address and port are two.
func TestStreamAndDatagramClientsAreApart(t *testing.T) {
	w := newWorld(t, nil)
	s, d := w.stream(), w.client()
	x, y := s.setUp(), d.allocate()[0]
	if x == y || len(w.server.Allocations()) != 2 {
		t.Errorf("relays %s and %s", x, y)
	}
}

func TestStreamEndsWith(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*world, *streamClient)
		open bool // the connection stays
	}{
		{"the client's close", func(_ *world, c *streamClient) { _ = c.conn.Close() }, false},
		{"garbage", func(_ *world, c *streamClient) { c.write([]byte("\x80\x00\x00\x01RTP")) }, false},
		{"kill", func(w *world, _ *streamClient) { _ = w.server.Kill(1) }, false},
		{"revoked user", func(w *world, _ *streamClient) { w.server.SetUsers(nil, nil) }, false},
		{"half a frame", func(_ *world, c *streamClient) {
			c.write([]byte{0x40, 0, 0, 9, 1})
			later(frameTime)
		}, false},
		{"the allocation's time", func(*world, *streamClient) { later(10*time.Minute + instantly) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				c := w.stream()
				c.setUp()
				tt.do(w, c)
				synctest.Wait()
				if h := w.holds(); h != (holds{Sockets: 2, Ports: 2}) || len(w.server.Allocations()) != 0 {
					t.Errorf("left behind: %+v", h)
				}
				if n := w.server.Stats().Streams; (n == 1) != tt.open {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// Who asks for nothing is sent away.
func TestStrangeStreamsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.stream()
		later(strangerTime - instantly)
		if n := w.server.Stats().Streams; n != 1 {
			t.Error("closed too early")
		}
		later(instantly)
		if _, err := c.conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v, want the end", err)
		}
	})
}

// A client that does not read loses media, and holds up nobody.
func TestSlowStreamLosesMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.stream()
		x := c.setUp()
		for range 2 * queueLength {
			w.send(peerAddr, x, bytes.Repeat([]byte("x"), 1200), metaNone)
		}
		w.run()
		if got := w.server.Stats().StreamDropped; got == 0 {
			t.Error("nothing dropped")
		}
		c.write(c.sign(message(stun.MethodRefresh, stun.ClassRequest)).Raw)
		for range queueLength + 8 {
			frame := c.read()
			if stun.IsMessage(frame) {
				return
			}
		}
		t.Error("the answer was lost with the media")
	})
}

// records is the inside of a connection that keeps what is written in one go.
type records struct {
	net.Conn
	written [][]byte
}

func (r *records) Write(b []byte) (int, error) {
	r.written = append(r.written, bytes.Clone(b))
	return len(b), nil
}

// What waits for a TCP client goes out together; to a TLS client each message is a
// record of its own.
func TestWhatIsWrittenTogether(t *testing.T) {
	for transport, want := range map[Transport]int{TCP: 1, TLS: 3} {
		t.Run(string(transport), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer func() { _ = far.Close() }()
				r := &records{Conn: near}
				s := &stream{
					server: new(Server), tuple: fiveTuple{transport: transport}, raw: near, conn: r,
					out: make(chan *buffer, queueLength), gone: make(chan struct{}),
				}
				for range 3 {
					s.media([]byte("\x40\x00\x00\x01a"))
				}
				go s.write()
				synctest.Wait()
				s.close()
				synctest.Wait()
				if len(r.written) != want || len(bytes.Join(r.written, nil)) != 3*8 {
					t.Errorf("written %q, want it in %d pieces", r.written, want)
				}
			})
		})
	}
}

func TestFrames(t *testing.T) {
	stunHead := "\x00\x01\x00\x04\x21\x12\xa4\x42123456789012"
	for _, tt := range []struct {
		name, in string
		want     []string
		end      error
	}{
		{"nothing", "", nil, io.EOF},
		{"stun", stunHead + "abcd", []string{stunHead + "abcd"}, io.EOF},
		{"channel data", "\x40\x00\x00\x04abcd", []string{"\x40\x00\x00\x04abcd"}, io.EOF},
		{"padded", "\x40\x00\x00\x01a\x00\x00\x00\x41\x00\x00\x00", []string{"\x40\x00\x00\x01a", "\x41\x00\x00\x00"}, io.EOF},
		{"cut off", "\x40\x00\x00\x04abc", nil, io.ErrUnexpectedEOF},
		{"cut off in the header", "\x40\x00\x00", nil, io.EOF},
		{"cut off in the padding", "\x40\x00\x00\x01a\x00", nil, io.ErrUnexpectedEOF},
		{"longest", "\x7f\xff\xff\xff" + strings.Repeat("x", 65536), []string{"\x7f\xff\xff\xff" + strings.Repeat("x", 65535)}, io.EOF},
		{"neither", "\x80\x00\x00\x00", nil, errFrame},
		{"length no multiple of 4", "\x00\x01\x00\x03xxxx", nil, errFrame},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(tt.in))
			var got []string
			var buf []byte
			var err error
			for err == nil {
				var frame []byte
				if frame, buf, err = readFrame(in, buf); err == nil {
					got = append(got, string(frame))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.end) {
				t.Errorf("end %v, want %v; frames (-want +got):\n%s", err, tt.end, diff)
			}
		})
	}
}
