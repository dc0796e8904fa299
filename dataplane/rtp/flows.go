package rtp

import (
	"net/netip"

	"turnpike.dev/turnpike/dataplane/relay"
)

// pair is a lane's two flows.
type pair struct {
	id        relay.ID
	installed bool
	is        relay.Pair
	reason    string    // why the table has it not
	past      [2]record // by leg: what flows carried that are gone
}

// target is where leg l's end is sent to: our socket and its address. RTCP goes to the
// port of RTP where both ends have it there, and where an end was seen to.
func (s *stream) target(l Leg, n lane) (relay.Socket, netip.AddrPort) {
	leg := &s.legs[l]
	if n == laneRTCP && leg.remote.Mux && (s.muxed() || leg.muxes) {
		n = laneRTP
	}
	return leg.socks[n], leg.latch[n].dst()
}

// reachable tells whether leg l's end can be sent to.
func (s *stream) reachable(l Leg, n lane) bool {
	leg := &s.legs[l]
	_, dst := s.target(l, n)
	return leg.known && !leg.muted && leg.port != 0 && dst.Addr().IsValid() && dst.Port() != 0
}

// wantedPair is a lane as the table is to relay it; false: not at all.
func (s *stream) wantedPair(n lane) (relay.Pair, bool) {
	if n == laneRTCP && s.muxed() || !s.reachable(LegA, n) || !s.reachable(LegB, n) {
		return relay.Pair{}, false
	}
	for l := range s.legs {
		if src := s.legs[l].latch[n].src; src.Port() == 0 {
			return relay.Pair{}, false
		}
	}
	return relay.Pair{Owner: s.call.owner, Flows: [2]relay.Flow{
		relay.Up:   s.flow(LegA, n),
		relay.Down: s.flow(LegB, n),
	}}, true
}

// flow is what comes from a leg's end.
func (s *stream) flow(l Leg, n lane) relay.Flow {
	leg, other := &s.legs[l], &s.legs[l.Other()]
	sock, dst := s.target(l.Other(), n)
	f := relay.Flow{
		Key: relay.Key{Local: leg.local[n], Remote: leg.latch[n].src},
		Out: relay.Out{Src: sock.Local(), Dst: dst},
	}
	f.Groups = s.call.grant.groups(l)
	if n == laneRTP {
		f.RateKbps, f.ClockHz = leg.remote.Kbps, leg.remote.ClockHz
		f.SplitRTCP = leg.remote.Mux && !other.remote.Mux
	}
	if f.ClockHz == 0 && n == laneRTP {
		f.ClockHz = other.remote.ClockHz
	}
	return f
}

// syncPair makes the table have what is wanted of a lane. Who is not in the table is
// relayed by hand.
func (s *stream) syncPair(n lane) {
	p, table := &s.pairs[n], s.call.media.cfg.Table
	want, ok := s.wantedPair(n)
	if !ok {
		s.removePair(n)
		return
	}
	if p.installed && sameKeys(want, p.is) {
		if !sameFlow(want.Flows[relay.Up], p.is.Flows[relay.Up]) || !sameFlow(want.Flows[relay.Down], p.is.Flows[relay.Down]) {
			if table.Update(p.id, want) != nil {
				s.removePair(n)
			}
		}
		p.is = want
		if p.installed {
			return
		}
	}
	s.removePair(n)
	id, err := table.Add(want)
	if err != nil {
		s.call.media.counts.unflowed.Add(1)
		p.reason = err.Error()
		return
	}
	p.id, p.is, p.installed, p.reason = id, want, true, ""
}

func sameKeys(a, b relay.Pair) bool {
	return a.Flows[relay.Up].Key == b.Flows[relay.Up].Key && a.Flows[relay.Down].Key == b.Flows[relay.Down].Key
}

// sameFlow compares what this package sets.
func sameFlow(a, b relay.Flow) bool {
	return a.Out == b.Out && a.RateKbps == b.RateKbps && a.ClockHz == b.ClockHz && a.SplitRTCP == b.SplitRTCP &&
		a.Groups == b.Groups
}

// removePair takes a lane's flows out and keeps what they carried.
func (s *stream) removePair(n lane) {
	p := &s.pairs[n]
	if !p.installed {
		return
	}
	p.installed = false
	stats, err := s.call.media.cfg.Table.Remove(p.id)
	if err != nil {
		return // nobody else removes it; then there is nothing to keep
	}
	for d := range stats {
		p.past[d].add(recordOf(stats[d]))
		p.past[d].settle()
	}
}
