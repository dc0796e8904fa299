package userspace

import (
	"slices"

	"turnpike.dev/turnpike/dataplane/relay"
)

// loopsFor returns the loops for one kind of port. What goes through the listening
// sockets goes through the relays as well, so each of the two gets half of the loops.
func (r *Relay) loopsFor(kind relay.PortKind) []*loop {
	half := len(r.loops) / 2
	if kind == relay.PortListener && half > 0 {
		return r.loops[:half]
	}
	return r.loops[half:]
}

// place gives the socket to a loop for its kind of port; also when the kind became
// known only after the socket was opened. A loop that it leaves may be in the middle
// of a turn with it, which does no harm: the descriptor stays, and the handler runs
// once at a time.
func (r *Relay) place(s *socket, kind relay.PortKind) error {
	among := r.loopsFor(kind)
	if slices.Contains(among, s.loop) {
		return nil
	}
	if s.loop != nil {
		s.loop.unwatch(s)
	}
	s.loop = slices.MinFunc(among, func(a, b *loop) int { return a.load() - b.load() })
	return s.loop.watch(s)
}

// inHandlerOf says whether the caller is the socket's handler.
func (r *Relay) inHandlerOf(s *socket) bool {
	return slices.ContainsFunc(r.loops, func(l *loop) bool {
		return l.isCaller() && l.handling == s
	})
}
