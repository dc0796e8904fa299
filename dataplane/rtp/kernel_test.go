package rtp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/userspace"
	"turnpike.dev/turnpike/dataplane/xdp"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// inside is set in the process that runs a test inside the node's namespace.
const inside = "TURNPIKE_TEST_INSIDE"

// The lab's addresses (lab.ThreeNodes): A's end is the client, B's the peer.
var (
	node0, node1     = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.1.1")
	node16           = netip.MustParseAddr("fd00:0:0:2::1")
	client0, client1 = netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("198.18.0.3")
	peer1, peer16    = netip.MustParseAddr("198.18.1.2"), netip.MustParseAddr("fd00:0:0:2::2")
)

// inNode runs the test in a process of its own in the node's namespace of a new lab. It
// returns true in that process.
func inNode(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	t.Parallel() // each has a lab of its own
	l := labtest.New(t, lab.Options{Clients: 2})
	cmd := l.Node.Command(context.Background(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"="+l.Name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in the node's namespace: %v\n%s", err, out)
	}
	if testing.Verbose() {
		t.Logf("in the node's namespace:\n%s", out)
	}
	return false
}

// newKernelSite is a site whose relay is the kernel's, between the lab's client and peer.
func newKernelSite(t *testing.T, a, b Side, edit func(*Config)) *site {
	t.Helper()
	process, err := userspace.New(userspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	kernel := newKernel(t)
	t.Cleanup(func() { _ = errors.Join(process.Close(), kernel.Close()) })
	s := newSiteOn(t, relay.NewEngine(kernel, "", process), process, a, b, edit)
	if err := kernel.Activate(); err != nil {
		t.Fatal(err)
	}
	return s
}

// newKernel is the kernel's relay on the lab's node.
func newKernel(t *testing.T) *xdp.Backend {
	t.Helper()
	pins, err := xdp.PinDir("test", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := xdp.Cleanup(pins); err != nil {
			t.Error(err)
		}
	})
	kernel, err := xdp.Open(xdp.Config{PinDir: pins, Interfaces: []string{"s0", "s1"}, MaxFlows: 256})
	if err != nil {
		t.Fatal(err)
	}
	return kernel
}

// newEndIn is somebody on another host of the lab.
func newEndIn(t *testing.T, host string, at netip.Addr) *end {
	t.Helper()
	ns, err := netns.GetFromPath(filepath.Join("/run/netns", os.Getenv(inside)+"-"+host))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close() //nolint:errcheck // it was read only
	e := &end{t: t, seq: 1000, ssrc: 0x1000}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with its goroutine
		err := netns.Set(ns)
		for n := range lanes {
			if err == nil {
				e.socks[n], err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range e.socks {
			_ = c.Close()
		}
	})
	return e
}

// meet has the links resolve who is behind them: the kernel relays to neighbours that
// the system knows.
func (s *site) meet(stream int, a, b *end) {
	s.t.Helper()
	const nobodys = 9
	a.send(laneRTP, netip.AddrPortFrom(s.ports(stream, LegA).RTP.Addr(), nobodys), nil)
	b.send(laneRTP, netip.AddrPortFrom(s.ports(stream, LegB).RTP.Addr(), nobodys), nil)
	eventually(s.t, "the kernel relays", func() bool {
		for _, p := range s.engine.List() {
			for _, f := range p.Stats {
				if f.Path != relay.PathXDP {
					return false
				}
			}
		}
		return true
	})
}

// talks has both ends talk and counts what the flows carried meanwhile.
func (s *site) talks(stream, packets int, a, b *end) (before, after Stream) {
	s.t.Helper()
	toA, toB := s.ports(stream, LegA), s.ports(stream, LegB)
	before = s.stream(stream)
	for range packets {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	}
	after = s.stream(stream)
	return before, after
}

// RTP goes both ways in the kernel: as many packets as were sent, none lost.
// ME-02, ME-04, ME-05
func TestKernelRelaysMedia(t *testing.T) {
	if !inNode(t) {
		return
	}
	for _, tt := range []struct {
		name   string
		local  netip.Addr // of leg B
		public netip.Addr // of leg A
		peer   netip.Addr
	}{
		{"IPv4", node1, netip.Addr{}, peer1},
		{"IPv4 to IPv6", node16, netip.Addr{}, peer16},
		{"static NAT", node1, netip.MustParseAddr("203.0.113.1"), peer1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newKernelSite(t, Side{Local: node0, Public: tt.public}, Side{Local: tt.local}, nil)
			a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", tt.peer)
			if tt.public.IsValid() {
				if got := s.ports(0, LegA).RTP.Addr(); got != tt.public {
					t.Errorf("A is told %s", got)
				}
				s.natted = func(p Ports) Ports {
					return Ports{netip.AddrPortFrom(node0, p.RTP.Port()), netip.AddrPortFrom(node0, p.RTCP.Port())}
				}
			}
			s.joined(0, a, b)
			s.meet(0, a, b)
			before, after := s.talks(0, 50, a, b)
			if before.Path != "" || after.Path != "xdp" || after.A.Packets != 50 || after.B.Packets != 50 || after.A.Lost+after.B.Lost != 0 {
				t.Errorf("%+v", after)
			}
			if c := s.media.Counts(); c.Relayed != 0 {
				t.Errorf("%d packets by hand", c.Relayed)
			}
			if got := s.call.Release(); got[0].A.Packets != 50 || got[0].Path != "xdp" {
				t.Errorf("released: %+v", got)
			}
			if c := s.media.Counts(); c.Ports != 0 || c.Calls != 0 || len(s.engine.List()) != 0 {
				t.Errorf("left: %+v", c)
			}
		})
	}
}

// A third party that sprays the ports is dropped in the kernel and never seen by the
// process, before the call has media and after.
// ME-02
func TestKernelDropsBleed(t *testing.T) {
	if !inNode(t) {
		return
	}
	s := newKernelSite(t, Side{Local: node0}, Side{Local: node1}, nil)
	a, b, thief := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1), newEndIn(t, "client", client1)
	toA := s.ports(0, LegA)
	steal := func() {
		for range 10 {
			thief.talk(toA.RTP)
			thief.send(laneRTCP, toA.RTCP, rtcpOf(6))
		}
	}
	strangers := func() uint64 { kernel, _ := s.engine.Reasons(); return kernel[bpf.ReasonStranger] }
	thief.talk(toA.RTP)
	eventually(t, "the thief knows its way", func() bool { return strangers() > 0 })
	at := strangers()
	steal()
	s.joined(0, a, b)
	s.meet(0, a, b)
	steal()
	s.talks(0, 20, a, b)
	steal()
	_, after := s.talks(0, 20, a, b)
	eventually(t, "the kernel dropped it", func() bool { return strangers()-at >= 60 })
	for _, e := range []*end{a, b, thief} {
		e.hearsNothing(laneRTP)
		e.hearsNothing(laneRTCP)
	}
	if c := s.media.Counts(); c.Strangers != 0 || c.Relayed != 0 {
		t.Errorf("the process saw %+v", c)
	}
	if after.A.Packets != 40 || after.B.Packets != 40 || after.Path != "xdp" {
		t.Errorf("%+v", after)
	}
}

// An end behind a NAT and a late stream: the first packet goes by hand, all others
// through the kernel; a re-INVITE with hold changes nothing of it.
// ME-02
func TestKernelRelaysWhoIsLearned(t *testing.T) {
	if !inNode(t) {
		return
	}
	s := newKernelSite(t, Side{Local: node0}, Side{Local: node1}, nil)
	s.run()
	a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1)
	behind := a.remote()
	behind.RTP, behind.RTCP, behind.From = netip.MustParseAddrPort("192.168.1.2:6000"), netip.AddrPort{}, client0
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.set(0, LegA, behind)
	s.set(0, LegB, b.remote())
	s.media.look(time.Now().Add(time.Hour))
	first := a.talk(toA.RTP)
	b.hears(laneRTP, toB.RTP, first)
	eventually(t, "the kernel relays", func() bool {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
		return s.stream(0).Path == "xdp"
	})
	relayed := s.media.Counts().Relayed
	hold := behind
	hold.Receive = false
	s.set(0, LegA, hold)
	s.set(0, LegA, behind)
	_, after := s.talks(0, 20, a, b)
	if after.Path != "xdp" || after.A.Lost+after.B.Lost != 0 || s.media.Counts().Relayed != relayed || relayed != 1 {
		t.Errorf("%+v, %d packets by hand", after, s.media.Counts().Relayed)
	}
	if sent := uint64(a.seq - 1000); after.A.Packets != sent {
		t.Errorf("%d packets of %d", after.A.Packets, sent)
	}
}

// rtcp-mux on one leg alone: RTP goes through the kernel, RTCP is told apart by hand.
// ME-02
func TestKernelLeavesRTCP(t *testing.T) {
	if !inNode(t) {
		return
	}
	s := newKernelSite(t, Side{Local: node0}, Side{Local: node1}, nil)
	a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1)
	muxing := a.remote()
	muxing.Mux = true
	s.set(0, LegA, muxing)
	s.set(0, LegB, b.remote())
	s.meet(0, a, b)
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	for range 3 {
		a.send(laneRTP, toA.RTP, rtcpOf(1))
		b.hears(laneRTCP, toB.RTCP, rtcpOf(1))
		b.send(laneRTCP, toB.RTCP, rtcpOf(2))
		a.hears(laneRTP, toA.RTP, rtcpOf(2))
		s.talks(0, 10, a, b)
	}
	after := s.stream(0)
	if after.Path != "xdp" || after.A.Packets != 30 || after.B.Packets != 30 {
		t.Errorf("%+v", after)
	}
	if c := s.media.Counts(); c.Relayed != 3 {
		t.Errorf("%d packets by hand, want RTCP's 3", c.Relayed)
	}
}

// The media time-out goes by what the kernel saw.
// ME-05
func TestKernelSeesSilence(t *testing.T) {
	if !inNode(t) {
		return
	}
	const timeout = time.Minute
	s := newKernelSite(t, Side{Local: node0}, Side{Local: node1}, func(c *Config) { c.Timeout = timeout })
	a, b := newEndIn(t, "client", client0), newEndIn(t, "peer", peer1)
	s.joined(0, a, b)
	signalled := time.Now()
	s.meet(0, a, b)
	eventually(t, "time goes by", func() bool { return time.Since(signalled) > 50*time.Millisecond })
	s.talks(0, 2, a, b)
	s.media.look(signalled.Add(timeout + 20*time.Millisecond))
	if len(s.silent) != 0 {
		t.Error("told although there was media")
	}
	s.media.look(time.Now().Add(timeout))
	s.media.look(time.Now().Add(3 * timeout))
	if len(s.silent) != 1 {
		t.Errorf("told %d times, want once", len(s.silent))
	}
}
