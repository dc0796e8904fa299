package rtp

import (
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// groups are the groups of a site's flows by direction, each list once.
func (s *site) groups(d relay.Direction) (list [][relay.MaxGroups]relay.Group) {
	for _, p := range s.engine.List() {
		if g := p.Pair.Flows[d].Groups; !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list
}

// mustOpenGroup opens a pipe's bucket.
func (s *site) mustOpenGroup(name string, kbps uint32) relay.Group {
	s.t.Helper()
	g, err := s.engine.OpenGroup(name, kbps, relay.PipeDepth)
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

// All streams of a call and their RTCP have the one bucket of their end, and the pipes',
// whether they were set before the grant or after it; a change of the grant changes the
// bucket, and the end of it ends it.
// BW-06
func TestGrant(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	s.joined(0, a, b)
	out, in := s.mustOpenGroup("pipe out", 1000), s.mustOpenGroup("pipe in", 1000)
	s.call.Grant(500, [2][]relay.Group{{out}, {in, in}})
	s.joined(1, newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3"))
	if n := len(s.engine.List()); n != 4 {
		t.Fatalf("%d pairs of flows, want RTP and RTCP of two streams", n)
	}
	up, down := s.groups(relay.Up), s.groups(relay.Down)
	if len(up) != 1 || len(down) != 1 {
		t.Fatalf("groups: %v up, %v down", up, down)
	}
	ownUp, ownDown := up[0][0], down[0][0]
	if up[0] != [relay.MaxGroups]relay.Group{ownUp, out} || down[0] != [relay.MaxGroups]relay.Group{ownDown, in, in} || ownUp == ownDown {
		t.Errorf("groups: %v up, %v down", up, down)
	}
	granted := func(g relay.Group, name string, kbps uint32) {
		t.Helper()
		if info, ok := s.engine.Group(g); !ok || info.Name != name || info.Kbps != kbps {
			t.Errorf("group %d is %+v, %v, want %s with %d kbps", g, info, ok, name, kbps)
		}
	}
	granted(ownUp, "call:1 A", 500)
	granted(ownDown, "call:1 B", 500)
	s.call.Grant(700, [2][]relay.Group{{out}, {in}})
	granted(ownUp, "call:1 A", 700)
	if got := s.groups(relay.Down); len(got) != 1 || got[0] != [relay.MaxGroups]relay.Group{ownDown, in} {
		t.Errorf("after another grant: %v", got)
	}
	s.call.Grant(0, [2][]relay.Group{{out}, nil})
	if got := s.groups(relay.Up); len(got) != 1 || got[0] != [relay.MaxGroups]relay.Group{out} {
		t.Errorf("without a bucket of its own: %v", got)
	}
	if _, ok := s.engine.Group(ownUp); ok {
		t.Error("the call's bucket is still open")
	}
	s.call.Grant(900, [2][]relay.Group{})
	last := s.groups(relay.Up)[0][0]
	granted(last, "call:1 A", 900)
	s.call.Release()
	if _, ok := s.engine.Group(last); ok {
		t.Error("the call's bucket outlives it")
	}
	granted(out, "pipe out", 1000)
	s.call.Grant(900, [2][]relay.Group{})
}

// More pipes than a flow has room for do not push the call's own bucket out.
func TestGrantOverTooManyPipes(t *testing.T) {
	s := newSite(t, nil)
	s.joined(0, newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3"))
	pipe := s.mustOpenGroup("pipe", 1000)
	s.call.Grant(500, [2][]relay.Group{slices.Repeat([]relay.Group{pipe}, relay.MaxGroups), nil})
	got := s.groups(relay.Up)[0]
	if info, ok := s.engine.Group(got[0]); !ok || info.Name != "call:1 A" || got[relay.MaxGroups-1] != pipe {
		t.Errorf("groups %v, the first is %+v", got, info)
	}
}

// What is relayed by hand is within the grant as well: RTCP that is told apart.
// BW-06
func TestGrantHoldsByHand(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	muxing := a.remote()
	muxing.Mux = true
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.set(0, LegA, muxing)
	s.set(0, LegB, b.remote())
	s.engine.SetMargin(0)
	s.call.Grant(8, [2][]relay.Group{}) // 1000 bytes
	report := append(rtcpOf(1), make([]byte, 292)...)
	for range 3 {
		a.send(laneRTP, toA.RTP, report)
		b.hears(laneRTCP, toB.RTCP, report)
	}
	a.send(laneRTP, toA.RTP, report)
	eventually(t, "a report too many is dropped", func() bool { return s.engine.GroupStats(own(s.call)).Policed == 1 })
	b.hearsNothing(laneRTCP)
	if c := s.media.Counts(); c.Relayed != 3 || c.Strangers != 0 {
		t.Errorf("counted %+v", c)
	}
}

// What the ends send is measured without headers, and each for itself.
// BW-06
func TestRate(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	begin := time.Now()
	s.media.look(begin)
	for range 100 {
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP)) // 20 bytes of payload
	}
	for range 50 {
		a.hears(laneRTP, toA.RTP, b.talk(toB.RTP))
	}
	a.send(laneRTCP, toA.RTCP, rtcpOf(1))
	b.hears(laneRTCP, toB.RTCP, rtcpOf(1))
	s.media.look(begin.Add(time.Second))
	if a, b := s.call.Rate(); a != 0 || b != 0 {
		t.Errorf("after a second: %d and %d kbps", a, b)
	}
	s.media.look(begin.Add(2 * time.Second))
	if a, b := s.call.Rate(); a != 8 || b != 4 {
		t.Errorf("%d and %d kbps, want 8 and 4", a, b)
	}
	s.media.look(begin.Add(4 * time.Second))
	if a, b := s.call.Rate(); a != 0 || b != 0 {
		t.Errorf("when nobody talks: %d and %d kbps", a, b)
	}
}

// A call that goes on sending too much is told of once; again when it did so after it had
// stopped for a while.
// BW-06
func TestOver(t *testing.T) {
	type told struct {
		owner string
		kbps  uint32
	}
	var got []told
	s := newSite(t, func(c *Config) { c.Over = func(owner string, kbps uint32) { got = append(got, told{owner, kbps}) } })
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA := s.ports(0, LegA)
	s.joined(0, a, b)
	s.call.Grant(8, [2][]relay.Group{}) // 1100 bytes
	now := time.Now()
	policed := func() uint64 { return s.engine.GroupStats(s.groups(relay.Up)[0][0]).Policed }
	look := func(over bool) {
		t.Helper()
		if over {
			before := policed()
			eventually(t, "packets are policed", func() bool { a.talk(toA.RTP); return policed() > before+50 })
		}
		now = now.Add(measureEvery)
		s.media.look(now)
	}
	look(false)
	look(true)
	look(false)
	look(true)
	if len(got) != 0 {
		t.Errorf("told of moments: %v", got)
	}
	look(true)
	if len(got) != 1 || got[0].owner != "call:1" || got[0].kbps == 0 {
		t.Errorf("told %v, want once", got)
	}
	for range 3 {
		look(true)
		look(false)
	}
	if len(got) != 1 {
		t.Errorf("told again of the same: %v", got)
	}
	for range underAfter {
		look(false)
	}
	look(true)
	look(true)
	if len(got) != 2 {
		t.Errorf("told %v, want a second time", got)
	}
	all := policed()
	s.call.Release()
	if c := s.media.Counts(); c.Policed != all || c.Over != 2 || c.Unpoliced != 0 {
		t.Errorf("counted %+v, %d were policed", c, all)
	}
}
