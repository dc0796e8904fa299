package mesh_test

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/wire"
)

// intruder speaks to a node as an entry of its list would, in bytes of its own.
type intruder struct {
	t    *testing.T
	conn *tls.Conn
}

func dialFrom(from netip.Addr, to *node) (net.Conn, bool) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: patience}
	c, err := d.Dial("tcp", netip.AddrPortFrom(to.addr, to.cfg.Port).String())
	return c, err == nil
}

// listens waits until a node has opened its ports.
func (n *node) listens(from netip.Addr) {
	n.t.Helper()
	for _, port := range []uint16{n.cfg.Port, n.cfg.RecoveryPort} {
		n.until("an open port", func() bool {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: patience}
			c, err := d.Dial("tcp", netip.AddrPortFrom(n.addr, port).String())
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
}

// intrude connects from an address with a certificate and an ALPN.
func intrude(t *testing.T, from netip.Addr, to *node, cert *tls.Certificate, alpn string) (*intruder, error) {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: patience}
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} // it does not care
	if alpn != "" {
		cfg.NextProtos = []string{alpn}
	}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	raw, err := d.Dial("tcp", netip.AddrPortFrom(to.addr, to.cfg.Port).String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { raw.Close() })
	c := tls.Client(raw, cfg)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return &intruder{t, c}, c.Handshake()
}

func (i *intruder) say(m any) {
	i.t.Helper()
	frame, err := wire.Append(nil, m)
	if err != nil {
		i.t.Fatal(err)
	}
	i.bytes(frame)
}

func (i *intruder) bytes(b []byte) {
	i.t.Helper()
	if _, err := i.conn.Write(b); err != nil {
		i.t.Logf("write: %v", err)
	}
}

func (i *intruder) hears() (any, error) { return wire.Read(i.conn, wire.MaxFrame, nil) }

func helloOf(id string) wire.Hello {
	h := wire.Hello{ID: cluster.ID(id)}
	h.Settings.Protocol = wire.Protocol
	return h
}

// What is said before and after the hello is bounded, and ends the connection where it does not belong.
func TestMisbehaviour(t *testing.T) {
	open := wire.Open{Stream: wire.Rows, Hello: helloOf("node-2")}
	oversized := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1)
	for _, c := range []struct {
		name string
		alpn string
		do   func(i *intruder)
		why  string
	}{
		{"no ALPN", "", func(*intruder) {}, "ALPN"},
		{"a first frame that is none", "turnpike-rows/1", func(i *intruder) { i.bytes([]byte{0, 0, 0, 2, 99, 0}) }, "no such message"},
		{"a first frame too large", "turnpike-rows/1", func(i *intruder) { i.bytes(oversized) }, "larger"},
		{"no open", "turnpike-rows/1", func(i *intruder) { i.say(liveness.Beat{}) }, "opens no stream"},
		{"a stream of another ALPN", "turnpike-requests/1", func(i *intruder) { i.say(open) }, "opens no stream"},
		{"the recovery stream on this port", "turnpike-rows/1", func(i *intruder) { i.say(wire.Open{Stream: wire.Recovery, Hello: open.Hello}) }, "opens no stream"},
		{"a frame too large", "turnpike-rows/1", func(i *intruder) { i.say(open); i.bytes(oversized) }, "larger"},
		{"a document among small messages", "turnpike-rows/1", func(i *intruder) { i.say(open); i.bytes(binary.BigEndian.AppendUint32(nil, 1<<20)) }, "larger"},
		{"garbage", "turnpike-rows/1", func(i *intruder) { i.say(open); i.bytes([]byte{0, 0, 0, 3, 10, 0xbf, 0xff}) }, "out of bounds"},
		{"a message that does not belong here", "turnpike-rows/1", func(i *intruder) { i.say(open); i.say(open) }, "does not belong"},
		{"another name in mid-stream", "turnpike-rows/1", func(i *intruder) { i.say(open); i.say(helloOf("node-3")) }, "another node now"},
		{"a request without one", "turnpike-requests/1", func(i *intruder) {
			i.say(wire.Open{Stream: wire.Requests, Hello: open.Hello})
			i.say(liveness.Beat{})
		}, "no request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			a := n.prepare(1, nil)
			a.List([]string{a.addr.String(), n.addr(2).String()}, 0, nil)
			a.run()
			a.until("the address is known", func() bool {
				i, err := intrude(t, n.addr(2), a, selfSigned(t, "x"), c.alpn)
				if err == nil {
					c.do(i)
				}
				return err == nil
			})
			e := a.await("it is told", func(e event) bool {
				return (e.what == "failed" || e.what == "closed") && e.err != nil && strings.Contains(e.err.Error(), c.why)
			})
			if e.what == "failed" && e.address != n.addr(2).String() {
				t.Errorf("told of %q", e.address)
			}
			a.until("it is counted", func() bool { return a.Refused()["protocol"] > 0 })
		})
	}
}

// Without a certificate, with an old TLS, with an unknown protocol nobody gets through the handshake.
func TestHandshakeIsRefused(t *testing.T) {
	n := newNetwork(t)
	a := n.prepare(1, nil)
	a.List([]string{a.addr.String(), n.addr(2).String()}, 0, nil)
	a.run()
	a.listens(n.addr(2))
	if i, err := intrude(t, n.addr(2), a, nil, "turnpike-rows/1"); err == nil {
		if _, err = i.hears(); err == nil {
			t.Error("without a certificate")
		}
	}
	if _, err := intrude(t, n.addr(2), a, selfSigned(t, "x"), "h2"); err == nil {
		t.Error("with another protocol")
	}
	d, ok := dialFrom(n.addr(2), a)
	if !ok {
		t.Fatal("no connection")
	}
	defer d.Close()
	if err := tls.Client(d, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake(); err == nil {
		t.Error("with TLS 1.2")
	}
}

// What was recorded of one connection says nothing on another: TLS 1.3 has fresh keys for each. The
// records are sent as they were, to the same node.
func TestReplay(t *testing.T) {
	n := newNetwork(t)
	a := n.prepare(1, nil)
	a.List([]string{a.addr.String(), n.addr(2).String()}, 0, nil)
	a.run()
	record := func(c net.Conn) *recorded { return &recorded{Conn: c} }
	dial := func() (c net.Conn) {
		a.until("a connection", func() (ok bool) {
			c, ok = dialFrom(n.addr(2), a)
			return ok
		})
		t.Cleanup(func() { c.Close() })
		return c
	}
	first := record(dial())
	c := tls.Client(first, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"turnpike-rows/1"}, Certificates: []tls.Certificate{*selfSigned(t, "x")}})
	i := &intruder{t, c}
	i.say(wire.Open{Stream: wire.Rows, Hello: helloOf("node-2")})
	if _, err := i.hears(); err != nil {
		t.Fatal(err)
	}
	i.say(liveness.Beat{Seq: 77})
	a.await("the beat", func(e event) bool { return e.what == "received" })

	if _, err := dial().Write(first.sent); err != nil {
		t.Fatal(err)
	}
	a.awaitFailed(n.addr(2).String(), mesh.ErrProtocol)
	for {
		select {
		case e := <-a.events:
			if e.what == "received" {
				t.Fatalf("taken twice: %+v", e.message)
			}
			continue
		default:
		}
		break
	}
}

// recorded keeps what was sent.
type recorded struct {
	net.Conn
	sent []byte
}

func (r *recorded) Write(b []byte) (int, error) {
	r.sent = append(r.sent, b...)
	return r.Conn.Write(b)
}
