package rtp

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// gate is what the back ends let through to a port that no flow takes.
type gate struct {
	kind  relay.PortKind
	peers []netip.Addr
}

// lifetime of a permission: it ends with its stream.
const lifetime = 10 * 365 * 24 * time.Hour

// wanted is what a leg's port is to let through. While the window is open, whoever may
// be learned; after it, who was: the rest is dropped where it arrives, in the kernel
// where XDP runs.
func (s *stream) wanted(l *leg, n lane, now time.Time) gate {
	g := gate{kind: relay.PortRelay}
	if !l.known || l.muted || n == laneRTCP && s.muxed() {
		return g
	}
	t := &l.latch[n]
	peers := []netip.Addr{t.src.Addr()}
	if t.open(now) {
		peers = append(peers, t.exact.Addr(), t.from)
		switch rtp := &l.latch[laneRTP]; {
		case len(t.ssrcs) == 0:
		case n == laneRTCP && !rtp.open(now): // RTCP may never come: it has to be of who sends RTP
			peers = append(peers, rtp.src.Addr())
		default:
			g.kind = relay.PortLearning
		}
	}
	for _, p := range peers {
		if p.IsValid() && !slices.Contains(g.peers, p) {
			g.peers = append(g.peers, p)
		}
	}
	return g
}

func (s *stream) syncGates(l Leg, now time.Time) error {
	leg := &s.legs[l]
	if leg.port == 0 {
		return nil
	}
	var errs []error
	for n := range lanes {
		errs = append(errs, s.setGate(leg, n, s.wanted(leg, n, now)))
	}
	return errors.Join(errs...)
}

// setGate changes a gate; whoever comes is let in before anybody is shut out.
func (s *stream) setGate(leg *leg, n lane, want gate) error {
	have, local, g := &leg.gates[n], leg.local[n], s.call.media.cfg.Gate
	var errs []error
	for _, p := range want.peers {
		if !slices.Contains(have.peers, p) {
			errs = append(errs, g.Permit(local, p, time.Now().Add(lifetime)))
		}
	}
	if want.kind != have.kind {
		errs = append(errs, g.OpenPort(local, want.kind))
	}
	for _, p := range have.peers {
		if !slices.Contains(want.peers, p) {
			errs = append(errs, g.Revoke(local, p))
		}
	}
	*have = want
	return errors.Join(errs...)
}

// closeGate shuts a port for good. An error is of the moment: the table's sweep finds
// what stayed.
func (s *stream) closeGate(leg *leg, n lane) {
	g := s.call.media.cfg.Gate
	for _, p := range leg.gates[n].peers {
		_ = g.Revoke(leg.local[n], p)
	}
	_ = g.ClosePort(leg.local[n])
	leg.gates[n] = gate{}
}
