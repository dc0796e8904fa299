package turn

import (
	"container/list"
	"net/netip"
	"time"
)

// Bounds of connections that hold no allocation. Those that hold one are bounded by
// the relays.
const (
	maxGuests        = 1000 // in all
	guestsPerSource  = 200  // default of Config.GuestsPerSource
	arrivalBurst     = 1000 // connections that a source may open at once
	arrivalPerSecond = 100
)

// refusal says why a connection was not taken, or was closed by us.
type refusal uint8

const (
	refusedSource    refusal = iota // its source has too many without an allocation
	refusedRate                     // its source opens too many
	refusedCrowd                    // the oldest without an allocation made room for another one
	refusedHandshake                // its TLS handshake failed or took too long
	refusedIdle                     // it asked for no allocation
	refusedSlow                     // a message that had begun did not arrive
	refusedFraming                  // it sent neither STUN nor ChannelData
	refusalReasons
)

var refusalNames = [refusalReasons]string{
	"source_full", "source_rate", "crowded_out", "handshake", "idle", "slow", "garbage",
}

// guests are the TCP and TLS connections that hold no allocation: anybody may open
// one, so how many there are must not depend on who does. One source cannot have them
// all, and when there is no room the one that waited longest goes: an honest client
// asks within a few round trips, and whoever only wants to hold places loses them.
// It is guarded by the server's mutex.
type guests struct {
	max, perSource int
	waiting        list.List // of *stream, the oldest first
	bySource       map[netip.Addr]int
}

func newGuests(perSource int) *guests {
	return &guests{max: maxGuests, perSource: perSource, bySource: make(map[netip.Addr]int)}
}

// full reports whether a source may have no further one.
func (g *guests) full(from netip.Addr) bool { return g.bySource[source(from)] >= g.perSource }

// add takes a connection in and returns the one that has to make room for it.
func (g *guests) add(t *stream) (crowded *stream) {
	if g.waiting.Len() >= g.max {
		crowded = g.waiting.Front().Value.(*stream)
		g.remove(crowded)
	}
	t.guest = g.waiting.PushBack(t)
	g.bySource[source(t.tuple.client.Addr())]++
	return crowded
}

// remove forgets a connection: it is gone, or holds an allocation now.
func (g *guests) remove(t *stream) {
	if t.guest == nil {
		return
	}
	g.waiting.Remove(t.guest)
	t.guest = nil
	from := source(t.tuple.client.Addr())
	if g.bySource[from]--; g.bySource[from] == 0 {
		delete(g.bySource, from)
	}
}

// welcome takes a new connection in, or counts why not.
func (s *Server) welcome(t *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return false
	case s.guests.full(t.tuple.client.Addr()):
		s.stats.refused[refusedSource].Add(1)
		return false
	}
	s.streams[t] = struct{}{}
	s.makeRoom(t)
	return true
}

// makeRoom takes a connection in that is open already.
func (s *Server) makeRoom(t *stream) {
	if crowded := s.guests.add(t); crowded != nil {
		s.stats.refused[refusedCrowd].Add(1)
		crowded.close()
	}
}

// seated is called when a connection holds an allocation, and left when it no longer
// does. Who got one has its arrival back: an office behind one address may come at once.
func (s *Server) seated(t *stream) {
	if t != nil {
		s.guests.remove(t)
		s.arrivals.refund(t.tuple.client.Addr(), time.Now())
	}
}

func (s *Server) left(t *stream) {
	if _, open := s.streams[t]; open {
		s.makeRoom(t)
	}
}
