package rtp

import (
	"net/netip"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// received relays by hand what no flow took: the first packets of a source that is not at
// the signalled address, what comes while flows are changed, and RTCP that the other leg
// has on a port of its own. It runs on a loop of the process's relay.
func (s *stream) received(l Leg, n lane, d relay.Datagram) {
	p := classify(d.Payload)
	counts := &s.call.media.counts
	s.call.mu.Lock()
	sock, dst, ok := s.judge(l, n, relay.Canonical(d.Remote), p, len(d.Payload), time.Now())
	s.call.mu.Unlock()
	if !ok {
		counts.strangers.Add(1)
		return
	}
	if sock == nil || d.Meta.HopLimit == 1 {
		return
	}
	if d.Meta.HopLimit > 0 {
		d.Meta.HopLimit--
	}
	counts.relayed.Add(1)
	if sock.Send(d.Payload, dst, d.Meta) != nil {
		counts.sendErrors.Add(1)
	}
}

// judge learns from a packet and says where it goes. false: its sender is a stranger. A
// nil socket: the other end cannot have it now.
func (s *stream) judge(l Leg, n lane, sender netip.AddrPort, p packet, size int, now time.Time) (relay.Socket, netip.AddrPort, bool) {
	leg := &s.legs[l]
	if !leg.known || leg.muted {
		return nil, netip.AddrPort{}, false
	}
	t := &leg.latch[n]
	if sender != t.src && !s.call.media.reach.may(s.call.sides[l].Local, sender) {
		return nil, netip.AddrPort{}, false
	}
	if t.asks(sender, t.rank(sender, p)) {
		t.heard(s.flowed(l, n))
	}
	switch t.take(sender, p, now) {
	case drop:
		return nil, netip.AddrPort{}, false
	case moved:
		s.call.media.counts.latched.Add(1)
		_ = s.sync(now) // what the table refuses is relayed by hand
		s.pause, s.look = 0, now.Add(latchFor)
	}
	to := n
	if p.kind == kindRTCP && n == laneRTP && leg.remote.Mux && !s.muxed() {
		to = laneRTCP
		s.seeMux(leg)
	}
	if !s.call.within(l, p, size) {
		return nil, netip.AddrPort{}, true
	}
	leg.hand[to].count(p, size, now)
	if !s.reachable(l.Other(), to) {
		return nil, netip.AddrPort{}, true
	}
	sock, dst := s.target(l.Other(), to)
	return sock, dst, true
}

// seeMux notes that an end has RTCP on RTP's port although the other end has not: from
// now on it gets RTCP there.
func (s *stream) seeMux(leg *leg) {
	if !leg.muxes {
		leg.muxes = true
		s.syncPair(laneRTCP)
	}
}
