package rtp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// spray sends RTP to ports from many sources, for as long as the test lasts or until
// stop is called.
func spray(t *testing.T, host string, ports ...netip.AddrPort) (thief *end, stop func()) {
	thief = newEnd(t, host)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		// What a socket has no room for would be lost to the call as well.
		const atOnce, every = 8, time.Millisecond
		pace := time.NewTicker(every)
		defer pace.Stop()
		for seq := uint16(0); ctx.Err() == nil; seq++ {
			for _, port := range ports {
				_, _ = thief.socks[laneRTP].WriteToUDPAddrPort(rtpOf(0x666, seq, 0), port)
			}
			if seq%atOnce == 0 {
				<-pace.C
			}
		}
	})
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return thief, stop
}

// A third party that sprays the ports from before the call has media neither gets nor
// injects any.
// ME-02
func TestBleed(t *testing.T) {
	for _, tt := range []struct {
		name string
		nat  bool
	}{{"signalled addresses", false}, {"behind a NAT", true}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
			toA, toB := s.ports(0, LegA), s.ports(0, LegB)
			thief, stop := spray(t, "127.0.0.66", toA.RTP, toA.RTCP, toB.RTP, toB.RTCP)
			ra, rb := a.remote(), b.remote()
			if tt.nat { // what they know of themselves is of another network
				ra.RTP, ra.From = netip.MustParseAddrPort("127.0.0.20:6000"), a.addr(laneRTP).Addr()
				rb.RTP, rb.From = netip.MustParseAddrPort("127.0.0.30:6000"), b.addr(laneRTP).Addr()
			}
			s.set(0, LegA, ra)
			s.set(0, LegB, rb)
			if tt.nat { // nobody can be sent to before it was heard
				b.talk(toB.RTP)
				eventually(t, "B is known", func() bool { return s.stream(0).B.Packets == 1 })
			}
			for range 200 {
				b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
				a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
			}
			stop()
			for _, e := range []*end{a, b, thief} {
				e.hearsNothing(laneRTP)
				e.hearsNothing(laneRTCP)
			}
			if got := s.stream(0); got.A.Packets != 200 || got.B.Packets < 200 || got.A.Lost+got.B.Lost != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// The first packets of a source that is learned are relayed, and those after it by a flow.
// ME-02
func TestFirstPacketsAreRelayed(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	behind := a.remote()
	behind.RTP, behind.RTCP, behind.From = netip.MustParseAddrPort("127.0.0.20:6000"), netip.AddrPort{}, a.addr(laneRTP).Addr()
	s.set(0, LegA, behind)
	s.set(0, LegB, b.remote())
	for range 20 {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	}
	a.send(laneRTCP, toA.RTCP, rtcpOf(1))
	b.hears(laneRTCP, toB.RTCP, rtcpOf(1))
	got, counts := s.stream(0), s.media.Counts()
	if got.A.Packets != 20 || got.B.Packets != 20 || got.A.Lost != 0 || got.B.Lost != 0 {
		t.Errorf("%+v", got)
	}
	if counts.Relayed != 2 || counts.Latched != 2 {
		t.Errorf("%+v: want one packet of each kind relayed by hand", counts)
	}
}

// A stream that was agreed early and is used late, slides or after a long mute, is still
// learned; a thief's packets in the meantime do not close the window.
// ME-02
func TestLateStream(t *testing.T) {
	s := newSite(t, nil)
	s.run()
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	slidesA, slidesB := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	toSlidesA, toSlidesB := s.ports(1, LegA), s.ports(1, LegB)
	s.joined(0, a, b)
	behind := slidesA.remote()
	behind.RTP, behind.From = netip.MustParseAddrPort("127.0.0.20:6000"), slidesA.addr(laneRTP).Addr()
	s.set(1, LegA, behind)
	s.set(1, LegB, slidesB.remote())
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))

	_, stop := spray(t, "127.0.0.66", toSlidesA.RTP, toSlidesB.RTP)
	s.media.look(time.Now().Add(time.Hour)) // an hour later
	stop()
	slidesB.hears(laneRTP, toSlidesB.RTP, slidesA.talk(toSlidesA.RTP))
	slidesA.hears(laneRTP, toSlidesA.RTP, slidesB.talk(toSlidesB.RTP))
	a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
}

// An announced source is believed wherever it sends from, once.
// ME-02
func TestAnnouncedSource(t *testing.T) {
	s := newSite(t, nil)
	a, b, other := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3"), newEnd(t, "127.0.0.4")
	a.ssrc = 0xfeedface
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	ra := a.remote()
	ra.RTP, ra.SSRCs = netip.MustParseAddrPort("127.0.0.20:6000"), []uint32{1, a.ssrc}
	s.set(0, LegA, ra)
	s.set(0, LegB, b.remote())
	other.talk(toA.RTP)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	other.ssrc = a.ssrc
	other.talk(toA.RTP)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
}

// Where a source was announced RTCP may come from anywhere until RTP was learned; after
// that only from where RTP does.
// ME-02
func TestAnnouncedSourceOfRTCP(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	a.ssrc = 0xfeedface
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	ra := a.remote()
	ra.RTP, ra.RTCP = netip.MustParseAddrPort("127.0.0.20:6000"), netip.AddrPort{}
	ra.SSRCs = []uint32{a.ssrc}
	s.set(0, LegA, ra)
	s.set(0, LegB, b.remote())
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	gateOf := func() gate {
		s.call.mu.Lock()
		defer s.call.mu.Unlock()
		return s.call.streams[0].legs[LegA].gates[laneRTCP]
	}
	if got := gateOf().kind; got != relay.PortLearning {
		t.Errorf("while RTP may be learned RTCP's port is of kind %d", got)
	}
	now := time.Now().Add(latchFor + time.Second)
	s.media.look(now)
	gate := gateOf()
	if want := []netip.Addr{ra.RTP.Addr(), a.addr(laneRTP).Addr()}; gate.kind != relay.PortRelay || !slices.Equal(gate.peers, want) {
		t.Errorf("RTCP's gate is %+v, want %v", gate, want)
	}
	a.send(laneRTCP, toA.RTCP, rtcpOf(a.ssrc))
	b.hears(laneRTCP, toB.RTCP, rtcpOf(a.ssrc))
	b.send(laneRTCP, toB.RTCP, rtcpOf(1))
	a.hears(laneRTCP, toA.RTCP, rtcpOf(1))
}

// Nobody is learned whom media does not go to.
// ME-07
func TestDeniedSource(t *testing.T) {
	m, err := New(Config{Table: null{}, Gate: null{}, Sockets: null{}, Deny: []netip.Prefix{netip.PrefixFrom(natAddr, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	c := m.Open("call:1", Side{Local: netip.MustParseAddr("198.18.0.1")}, Side{Local: netip.MustParseAddr("198.18.0.1")})
	defer c.Release()
	if err := c.Set(0, LegA, Remote{RTP: signalled, From: natAddr}); err != nil {
		t.Fatal(err)
	}
	c.streams[0].received(LegA, laneRTP, relay.Datagram{Remote: natOne, Payload: rtpOf(1, 1, 1)})
	if got := c.streams[0].legs[LegA].latch[laneRTP].src; got != signalled {
		t.Errorf("the source is %s", got)
	}
}

// A re-INVITE moves an end: what it sends from its old address until then is relayed, and
// the new one is learned.
// ME-02
func TestReINVITEMovesAnEnd(t *testing.T) {
	s := newSite(t, nil)
	a, b, moved := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3"), newEnd(t, "127.0.0.5")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	moved.seq = a.seq + 1
	s.set(0, LegA, moved.remote())
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	moved.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	b.hears(laneRTP, toB.RTP, moved.talk(toA.RTP))
	moved.hears(laneRTP, toA.RTP, b.talk(toB.RTP))

	a.talk(toA.RTP) // a stranger now
	b.hears(laneRTP, toB.RTP, moved.talk(toA.RTP))
	if got := s.stream(0); got.A.Packets != 4 || got.B.Packets != 2 || got.A.Lost != 0 {
		t.Errorf("%+v", got)
	}
}

// An IPv4 end and an IPv6 end.
// ME-02, ME-04
func TestBetweenFamilies(t *testing.T) {
	s := newSite(t, nil)
	c := s.media.Open("call:46", Side{Local: ours}, Side{Local: netip.MustParseAddr("::1")})
	defer c.Release()
	s.call = c
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "::1")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
}

// Media that comes while a call is released, set and counted does no harm.
func TestCallEndsUnderMedia(t *testing.T) {
	s := newSite(t, nil)
	s.run()
	for range 20 {
		s.call = s.media.Open("call:2", Side{Local: ours}, Side{Local: ours})
		a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
		toA, toB := s.ports(0, LegA), s.ports(0, LegB)
		ra := a.remote()
		ra.RTP, ra.From = netip.MustParseAddrPort("127.0.0.20:6000"), a.addr(laneRTP).Addr()
		s.set(0, LegA, ra)
		s.set(0, LegB, b.remote())
		_, stopA := spray(t, "127.0.0.2", toA.RTP, toA.RTCP)
		_, stopB := spray(t, "127.0.0.3", toB.RTP, toB.RTCP)
		s.set(0, LegA, ra)
		s.call.Stats()
		s.set(0, LegB, Remote{})
		s.set(0, LegB, b.remote())
		s.call.Close(0)
		s.call.Release()
		stopA()
		stopB()
	}
	if n := len(s.engine.List()); n != 0 {
		t.Errorf("%d pairs left", n)
	}
}
