package rtp

import (
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/dataplane/relay"
)

// RTP and RTCP go both ways from the first packet on, and are counted.
// ME-02, ME-05
func TestMediaBothWays(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	for range 10 {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	}
	a.send(laneRTCP, toA.RTCP, rtcpOf(1))
	b.hears(laneRTCP, toB.RTCP, rtcpOf(1))
	b.send(laneRTCP, toB.RTCP, rtcpOf(2))
	a.hears(laneRTCP, toA.RTCP, rtcpOf(2))

	want := []Stream{{
		Path: "userspace", Reason: "it is a test",
		A: Direction{Packets: 10, Bytes: 320}, B: Direction{Packets: 10, Bytes: 320},
	}}
	got := s.call.Release()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Direction{}, "LastSeen", "JitterMs")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if ago := time.Since(got[0].B.LastSeen); ago < -time.Second || ago > time.Minute {
		t.Errorf("last seen %v ago", ago)
	}
	if c := s.media.Counts(); c != (Counts{}) {
		t.Errorf("left: %+v", c)
	}
}

// RTP is even, RTCP the next, and what the far end is told is the public address.
// ME-04
func TestLocalPorts(t *testing.T) {
	s := newSite(t, func(c *Config) { c.First, c.Last = 36001, 36020 })
	public := netip.MustParseAddr("203.0.113.7")
	c := s.media.Open("call:2", Side{Local: ours, Public: public}, Side{Local: ours})
	defer c.Release()
	seen := map[uint16]bool{}
	for i := range 2 {
		for _, l := range []Leg{LegA, LegB} {
			p, err := c.Local(i, l)
			if err != nil {
				t.Fatal(err)
			}
			again, err := c.Local(i, l)
			if err != nil || again != p {
				t.Errorf("asked again: %v %v, was %v", again, err, p)
			}
			want := ours
			if l == LegA {
				want = public
			}
			if p.RTP.Addr() != want || p.RTCP.Addr() != want || p.RTP.Port()%2 != 0 || p.RTCP.Port() != p.RTP.Port()+1 || seen[p.RTP.Port()] {
				t.Errorf("stream %d leg %s: %v", i, l, p)
			}
			seen[p.RTP.Port()] = true
		}
	}
}

func TestNoPorts(t *testing.T) {
	s := newSite(t, func(c *Config) { c.First, c.Last = 36000, 36003 })
	s.ports(0, LegA)
	s.ports(0, LegB)
	if _, err := s.call.Local(1, LegA); !errors.Is(err, ErrNoPorts) {
		t.Errorf("third: %v", err)
	}
	s.call.Close(0)
	s.ports(1, LegA) // those that rested longest, when there are no others
	s.ports(1, LegB)
	s.call.Release()
	if _, err := s.call.Local(0, LegA); !errors.Is(err, ErrReleased) {
		t.Errorf("after release: %v", err)
	}
	if err := s.call.Set(0, LegA, Remote{}); !errors.Is(err, ErrReleased) {
		t.Errorf("after release: %v", err)
	}
	if got := s.call.Release(); got != nil {
		t.Errorf("released twice: %v", got)
	}
}

// What signalling may name, and what not.
// ME-07
func TestRefusedRemotes(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Own = []netip.Addr{netip.MustParseAddr("198.18.0.1")}
		c.Relays = [2]uint16{24000, 29999}
		c.Deny = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
	})
	six := s.media.Open("call:6", Side{Local: netip.MustParseAddr("fd00::1")}, Side{Local: ours})
	defer six.Release()
	four := s.media.Open("call:4", Side{Local: netip.MustParseAddr("198.18.0.1")}, Side{Local: ours})
	defer four.Release()
	for _, tt := range []struct {
		rtp  string
		call *Call
		ok   bool
	}{
		{"198.18.7.7:5004", four, true},
		{"[::ffff:198.18.7.7]:5004", four, true},
		{"0.0.0.0:5004", four, true}, // RFC 2543's hold
		{"127.0.0.1:5004", four, false},
		{"127.0.0.1:5004", s.call, true}, // which is on loopback itself
		{"169.254.1.1:5004", four, false},
		{"224.0.0.1:5004", four, false},
		{"255.255.255.255:5004", four, false},
		{"10.9.1.1:5004", four, false},
		{"198.18.0.1:5060", four, false},
		{"198.18.0.1:36000", four, true}, // another call of this node
		{"198.18.0.1:24000", four, true}, // a TURN relay of it
		{"[fd00::2]:5004", four, false},  // of the other family
		{"[fd00::2]:5004", six, true},
		{"[fe80::2]:5004", six, false},
		{"[64:ff9b::7f00:1]:5004", six, false}, // NAT64 to loopback
		{"198.18.7.7:5004", six, false},
	} {
		err := tt.call.Set(0, LegA, Remote{RTP: netip.MustParseAddrPort(tt.rtp)})
		if ok := err == nil; ok != tt.ok || !ok && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", tt.rtp, err)
		}
	}
}

// A stream that is rejected takes nothing, one that is removed stops, and it may come back.
func TestStreamGoesAndComesBack(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	s.set(0, LegB, Remote{})
	if n := len(s.engine.List()); n != 0 {
		t.Errorf("%d pairs of a removed stream", n)
	}
	s.set(0, LegB, b.remote())
	if again := s.ports(0, LegB); again != toB {
		t.Errorf("comes back at %v, was %v", again, toB)
	}
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	if got := s.stream(0).A; got.Packets != 2 || got.Lost != 0 {
		t.Errorf("%+v", got)
	}
	s.call.Close(0)
	if got := s.stream(0).A.Packets; got != 2 || s.media.Counts().Ports != 0 {
		t.Errorf("closed: %d packets, %+v", got, s.media.Counts())
	}
}

// On hold media may go on or not; with RFC 2543's address none is sent, and the learned
// address is there when the call is resumed.
// ME-02
func TestHoldAndResume(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))

	hold := a.remote()
	hold.Receive = false
	s.set(0, LegA, hold)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP)) // music on hold

	hold.RTP = netip.AddrPortFrom(netip.IPv4Unspecified(), hold.RTP.Port())
	hold.RTCP = netip.AddrPort{}
	s.set(0, LegA, hold)
	if n := len(s.engine.List()); n != 0 {
		t.Errorf("%d pairs towards 0.0.0.0", n)
	}
	s.set(0, LegA, a.remote())
	a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	if got := s.stream(0); got.A.Packets != 3 || got.B.Packets != 2 || got.A.Lost != 0 {
		t.Errorf("%+v", got)
	}
}

// A policer is there when signalling gives a rate, and only then.
func TestPolicer(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	limited := a.remote()
	limited.Kbps = 64
	s.set(0, LegA, limited)
	s.set(0, LegB, b.remote())
	rates := map[netip.AddrPort]uint32{}
	for _, p := range s.engine.List() {
		for _, f := range p.Pair.Flows {
			rates[f.Key.Remote] = f.RateKbps
		}
		if p.Pair.Owner != "call:1" {
			t.Errorf("owner %q", p.Pair.Owner)
		}
	}
	want := map[netip.AddrPort]uint32{a.addr(laneRTP): 64, a.addr(laneRTCP): 0, b.addr(laneRTP): 0, b.addr(laneRTCP): 0}
	if diff := cmp.Diff(want, rates, cmp.Comparer(func(x, y netip.AddrPort) bool { return x == y })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A full table relays by hand.
func TestFullTable(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Table = fullTable{c.Table} })
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	for range 5 {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	}
	got := s.stream(0)
	if got.A.Packets != 5 || got.B.Packets != 5 || got.Path != "userspace" || got.Reason != relay.ErrFull.Error() {
		t.Errorf("%+v", got)
	}
}

type fullTable struct{ relay.Table }

func (fullTable) Add(relay.Pair) (relay.ID, error) { return 0, relay.ErrFull }

// Calls that are over leave nothing behind.
func TestCallsLeaveNothing(t *testing.T) {
	m, err := New(Config{Table: null{}, Gate: null{}, Sockets: null{}, First: 36000, Last: 36999, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	side := Side{Local: netip.MustParseAddr("198.18.0.1"), Public: netip.MustParseAddr("203.0.113.1")}
	calls := func(n int) (heap uint64) {
		for i := range n {
			c := m.Open("call:1", side, side)
			for l := range 2 {
				if err := c.Set(i%3, Leg(l), Remote{RTP: signalled, From: natAddr, Send: true}); err != nil {
					t.Fatal(err)
				}
			}
			c.streams[i%3].received(LegA, laneRTP, relay.Datagram{Remote: natOne, Payload: rtpOf(1, 1, 1)})
			m.look(time.Now())
			c.Release()
		}
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		return mem.HeapAlloc
	}
	const most = 1000 // so that every pair of ports was in use
	before := calls(most)
	if grown := int64(calls(2*most)) - int64(before); grown > 50<<10 {
		t.Errorf("%d calls left %d bytes", 2*most, grown)
	}
	if c := m.Counts(); c.Calls != 0 || c.Ports != 0 {
		t.Errorf("left: %+v", c)
	}
}
