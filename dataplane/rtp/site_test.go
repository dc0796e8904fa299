package rtp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/userspace"
)

// site is a Media over a real relay of the process, on loopback. Ends have addresses of
// their own there: 127.0.0.2, 127.0.0.3, …
type site struct {
	t      testing.TB
	media  *Media
	engine *relay.Engine
	call   *Call
	silent chan string
	natted func(Ports) Ports // what a NAT in between makes of the ports of leg A
}

var ours = netip.MustParseAddr("127.0.0.1")

func newSite(t testing.TB, edit func(*Config)) *site {
	t.Helper()
	process, err := userspace.New(userspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Close(); err != nil {
			t.Error(err)
		}
	})
	return newSiteOn(t, relay.NewEngine(nil, "it is a test", process), process, Side{Local: ours}, Side{Local: ours}, edit)
}

// newSiteOn is a site over a table.
func newSiteOn(t testing.TB, engine *relay.Engine, process *userspace.Relay, a, b Side, edit func(*Config)) *site {
	t.Helper()
	s := &site{t: t, engine: engine, silent: make(chan string, 9)}
	cfg := Config{
		Table: s.engine, Gate: s.engine, Sockets: process, Policer: s.engine,
		Silent: func(owner string) { s.silent <- owner },
	}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if s.media, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	s.call = s.media.Open("call:1", a, b)
	t.Cleanup(func() { s.call.Release() })
	return s
}

// run has the Media run for the rest of the test.
func (s *site) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.media.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

func (s *site) ports(stream int, l Leg) Ports {
	s.t.Helper()
	p, err := s.call.Local(stream, l)
	if err != nil {
		s.t.Fatal(err)
	}
	if l == LegA && s.natted != nil {
		return s.natted(p)
	}
	return p
}

func (s *site) set(stream int, l Leg, r Remote) {
	s.t.Helper()
	if err := s.call.Set(stream, l, r); err != nil {
		s.t.Fatal(err)
	}
}

// joined has two ends that signalling named, each with RTP and RTCP ports.
func (s *site) joined(stream int, a, b *end) {
	s.t.Helper()
	s.set(stream, LegA, a.remote())
	s.set(stream, LegB, b.remote())
}

func (s *site) stream(i int) Stream {
	s.t.Helper()
	for _, x := range s.call.Stats() {
		if x.Index == i {
			return x
		}
	}
	s.t.Fatalf("there is no stream %d", i)
	return Stream{}
}

// end is somebody with a pair of sockets.
type end struct {
	t     testing.TB
	socks [lanes]*net.UDPConn
	seq   uint16
	ssrc  uint32
}

func newEnd(t testing.TB, host string) *end {
	t.Helper()
	e := &end{t: t, seq: 1000, ssrc: 0x1000}
	for n := range lanes {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		e.socks[n] = c
	}
	return e
}

func (e *end) addr(n lane) netip.AddrPort {
	return relay.Canonical(e.socks[n].LocalAddr().(*net.UDPAddr).AddrPort())
}

// remote is what the end's signalling says.
func (e *end) remote() Remote {
	return Remote{RTP: e.addr(laneRTP), RTCP: e.addr(laneRTCP), Send: true, Receive: true, ClockHz: 8000}
}

func (e *end) send(n lane, to netip.AddrPort, b []byte) {
	e.t.Helper()
	if _, err := e.socks[n].WriteToUDPAddrPort(b, to); err != nil {
		e.t.Fatal(err)
	}
}

// talk sends the end's next RTP packet.
func (e *end) talk(to netip.AddrPort) []byte {
	e.t.Helper()
	e.seq++
	b := rtpOf(e.ssrc, e.seq, uint32(e.seq)*160)
	e.send(laneRTP, to, b)
	return b
}

// hears fails unless this comes next, from there.
func (e *end) hears(n lane, from netip.AddrPort, want []byte) {
	e.t.Helper()
	b, sender, err := e.next(n, 5*time.Second)
	if err != nil {
		e.t.Fatalf("nothing came: %v", err)
	}
	if string(b) != string(want) || sender != from {
		e.t.Fatalf("got %x from %s, want %x from %s", b, sender, want, from)
	}
}

// hearsNothing fails when something is there. What else was to be relayed must have been
// by now: whoever calls it has seen a later packet of the same socket's loop.
func (e *end) hearsNothing(n lane) {
	e.t.Helper()
	b, sender, err := e.next(n, time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.t.Fatalf("got %x from %s (%v), want nothing", b, sender, err)
	}
}

func (e *end) next(n lane, patience time.Duration) ([]byte, netip.AddrPort, error) {
	b := make([]byte, 2000)
	_ = e.socks[n].SetReadDeadline(time.Now().Add(patience))
	size, sender, err := e.socks[n].ReadFromUDPAddrPort(b)
	return b[:size], relay.Canonical(sender), err
}

// rtpOf is an RTP packet (RFC 3550 section 5.1).
func rtpOf(ssrc uint32, seq uint16, timestamp uint32) []byte {
	b := make([]byte, 12+20)
	b[0], b[1] = 0x80, 8
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return b
}

// rtcpOf is an empty receiver report (RFC 3550 section 6.4.2).
func rtcpOf(ssrc uint32) []byte {
	b := []byte{0x80, 201, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

// eventually looks again until the condition holds.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come about that %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}
