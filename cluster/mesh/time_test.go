package mesh_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/wire"
)

// cables are a network in memory, for tests in which time is virtual.
type cables struct {
	mu    sync.Mutex
	doors map[netip.AddrPort]*door
	tries []time.Time // of dialling where nobody listens
}

type door struct {
	at   netip.AddrPort
	from *cables
	come chan net.Conn
	shut chan struct{}
}

// cable is one end of a connection.
type cable struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c cable) LocalAddr() net.Addr  { return address(c.local.String()) }
func (c cable) RemoteAddr() net.Addr { return address(c.remote.String()) }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.come:
		return c, nil
	case <-d.shut:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error {
	d.from.mu.Lock()
	defer d.from.mu.Unlock()
	if d.from.doors[d.at] == d {
		delete(d.from.doors, d.at)
		close(d.shut)
	}
	return nil
}

func (d *door) Addr() net.Addr { return address(d.at.String()) }

func (c *cables) listen(at netip.AddrPort) (net.Listener, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &door{at, c, make(chan net.Conn), make(chan struct{})}
	c.doors[at] = d
	return d, nil
}

// from returns how the node at an address dials.
func (c *cables) from(local netip.Addr) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		c.mu.Lock()
		d := c.doors[to]
		if d == nil {
			c.tries = append(c.tries, time.Now())
		}
		c.mu.Unlock()
		if d == nil {
			return nil, errors.New("connection refused")
		}
		here, there := net.Pipe()
		at := netip.AddrPortFrom(local, 30000)
		select {
		case d.come <- cable{there, to, at}:
			return cable{here, at, to}, nil
		case <-d.shut:
			return nil, errors.New("connection refused")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// plugged returns a node on cables, which ends with the test's function.
func (c *cables) plugged(t *testing.T, n *network, i int) *node {
	return n.prepare(i, func(cfg *mesh.Config) { cfg.Dial, cfg.Listen = c.from(cfg.Local), c.listen })
}

// greeted plays the accepting end: TLS, the open, the welcome; then it does as it likes.
func greeted(t *testing.T, conn net.Conn, id string) *tls.Conn {
	t.Helper()
	c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*selfSigned(t, id)}, NextProtos: []string{"turnpike-rows/1"}, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true})
	if _, err := wire.Read(c, wire.MaxFrame, nil); err != nil {
		t.Error(err)
	}
	frame, err := wire.Append(nil, wire.Welcome{Hello: helloOf(id)})
	if err == nil {
		_, err = c.Write(frame)
	}
	if err != nil {
		t.Error(err)
	}
	return c
}

// A peer that stops reading costs a bounded queue and, after the deadline, its connection; another does not feel it.
func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
		a, well := c.plugged(t, n, 1), c.plugged(t, n, 2)
		stuck := n.addr(3)
		list := []string{a.addr.String(), well.addr.String(), stuck.String()}
		a.List(list, 0, nil)
		well.List(list[:2], 1, nil)
		door, _ := c.listen(netip.AddrPortFrom(stuck, 14372))
		defer door.Close()
		stopA, stopB := a.run(), well.run()
		defer stopB()
		defer stopA()
		conn, err := door.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer greeted(t, conn, "node-3").Close()
		a.awaitConnected(stuck.String())
		a.until("the other connection", func() bool { return a.SendEntry(well.addr.String(), liveness.Beat{}) })
		synctest.Wait()

		start := time.Now()
		taken := 0
		for a.SendEntry(stuck.String(), wire.Hello{ID: "x", Name: strings.Repeat("n", 200)}) {
			taken++
		}
		if taken < 3000 || taken > 20_000 {
			t.Errorf("%d messages were taken into the queue", taken)
		}
		if !a.SendEntry(well.addr.String(), liveness.Beat{Seq: 1}) {
			t.Error("the other peer feels it")
		}
		well.await("the beat", func(e event) bool { return e.what == "received" && e.message.(liveness.Beat).Seq == 1 })
		if time.Since(start) > 0 {
			t.Errorf("somebody waited for %s", time.Since(start))
		}
		a.await("the end", func(e event) bool {
			return e.what == "closed" && e.peer.ID == "node-3" && errors.Is(e.err, mesh.ErrSlow)
		})
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("it took %s", d)
		}
		if a.SendEntry(stuck.String(), liveness.Beat{}) {
			t.Error("something waits for a connection that is not there")
		}
		for _, s := range a.Stats() {
			if s.Address == stuck.String() && s.Class == "rows" && s.Dropped == 0 {
				t.Errorf("nothing was counted: %+v", s)
			}
		}
	})
}

// Who is silent loses its connections in the time that is stated, at each step.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, conn net.Conn)
		wait time.Duration
		want string
	}{
		{"no TLS", func(*testing.T, net.Conn) {}, 5 * time.Second, "who it is in time"},
		{"no open", func(t *testing.T, conn net.Conn) {
			if err := client(t, conn).Handshake(); err != nil {
				t.Error(err)
			}
		}, 5 * time.Second, "who it is in time"},
		{"no heartbeat", func(t *testing.T, conn net.Conn) {
			c := client(t, conn)
			(&intruder{t, c}).say(wire.Open{Stream: wire.Rows, Hello: helloOf("node-2")})
			if _, err := wire.Read(c, wire.MaxFrame, nil); err != nil {
				t.Error(err)
			}
		}, 10 * time.Second, "nothing was heard for 10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, w := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
				a := w.plugged(t, n, 1)
				a.List([]string{a.addr.String(), n.addr(2).String()}, 0, nil)
				stop := a.run()
				defer stop()
				synctest.Wait()
				conn, err := w.from(n.addr(2))(t.Context(), netip.AddrPortFrom(a.addr, 14372))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				start := time.Now()
				c.do(t, conn)
				go func() { _, _ = io.Copy(io.Discard, conn) }() // a pipe has no buffer for what it is told
				a.await("the end", func(e event) bool { return e.err != nil && strings.Contains(e.err.Error(), c.want) })
				if d := time.Since(start); d != c.wait {
					t.Errorf("after %s, want %s", d, c.wait)
				}
			})
		})
	}
}

func client(t *testing.T, conn net.Conn) *tls.Conn {
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"turnpike-rows/1"}, Certificates: []tls.Certificate{*selfSigned(t, "x")}})
}

// A peer that is not there is dialled again and again, and never more than some times a second.
func TestDialsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
		a, b := c.plugged(t, n, 1), c.plugged(t, n, 2)
		list := []string{a.addr.String(), b.addr.String()}
		a.List(list, 0, nil)
		b.List(list, 1, nil)
		stopA := a.run()
		defer stopA()
		time.Sleep(time.Minute)
		c.mu.Lock()
		tries := len(c.tries)
		c.mu.Unlock()
		if tries < 40 || tries > 90 {
			t.Errorf("%d tries in a minute", tries)
		}
		start := time.Now()
		stopB := b.run()
		defer stopB()
		a.await("the connection that it dials", func(e event) bool { return e.what == "connected" && e.peer.Addr.Port() == 14372 })
		if d := time.Since(start); d > 0 { // virtual: nothing is waited for
			t.Errorf("found after %s, and it has dialled at once", d)
		}
	})
}

// What was said last is sent before the node ends: that it leaves, say.
func TestLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
		a, b := c.plugged(t, n, 1), c.plugged(t, n, 2)
		list := []string{a.addr.String(), b.addr.String()}
		a.List(list, 0, nil)
		b.List(list, 1, nil)
		stopA, stopB := a.run(), b.run()
		defer stopB()
		synctest.Wait()
		a.until("a connection", func() bool { return a.SendEntry(b.addr.String(), liveness.Beat{Seq: 1}) })
		a.SendEntry(b.addr.String(), liveness.Beat{Seq: 2, Leaving: true})
		stopA()
		b.await("the last beat", func(e event) bool {
			m, ok := e.message.(liveness.Beat)
			return ok && m.Leaving
		})
	})
}

// A document on its way does not hold a heartbeat up.
func TestBulkBesideHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := newNetwork(t), &cables{doors: make(map[netip.AddrPort]*door)}
		a := c.plugged(t, n, 1)
		peer := n.addr(2)
		a.List([]string{a.addr.String(), peer.String()}, 0, nil)
		d, _ := c.listen(netip.AddrPortFrom(peer, 14372))
		defer d.Close()
		stop := a.run()
		defer stop()
		heard := make(chan any, 1)
		cert := selfSigned(t, "node-2")
		for range 2 { // rows is read, bulk is not
			conn, err := d.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go accepting(t, conn, cert, heard)
		}
		a.until("a connection", func() bool {
			return a.SendEntry(peer.String(), revisions.Push{Document: revisions.Document{Bytes: string(bytes.Repeat([]byte{1}, 1<<20))}})
		})
		synctest.Wait()
		start := time.Now()
		if !a.SendEntry(peer.String(), liveness.Beat{Seq: 1}) {
			t.Fatal("the beat is not taken")
		}
		if m := <-heard; m.(liveness.Beat).Seq != 1 || time.Since(start) > 0 {
			t.Errorf("%+v after %s", m, time.Since(start))
		}
	})
}

// accepting reads the first connection, and stops on the second as a peer does that has much to do.
func accepting(t *testing.T, conn net.Conn, cert *tls.Certificate, heard chan<- any) {
	c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"turnpike-rows/1"}, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true})
	open, err := wire.Read(c, wire.MaxFrame, nil)
	if err != nil {
		t.Error(err)
		return
	}
	frame, err := wire.Append(nil, wire.Welcome{Hello: helloOf("node-2")})
	if err == nil {
		_, err = c.Write(frame)
	}
	if err != nil {
		t.Error(fmt.Errorf("welcome: %w", err))
	}
	if open.(wire.Open).Stream == wire.Bulk {
		return
	}
	m, err := wire.Read(c, wire.MaxFrame, nil)
	if err != nil {
		t.Error(err)
	}
	heard <- m
}
