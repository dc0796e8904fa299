// Package pool adds up what the peers of a cluster bring to it: the licences of each.
//
// It exists because a peer's licences do not go with it: when it is lost they stay everybody's for 14 days from the
// loss of contact, and only then leave the pool (facts A3, LI-03). Every node counts those days for
// itself and keeps the count, so that neither a restart nor a cluster without quorum begins them again. The count runs while this node
// does, by CLOCK_BOOTTIME: a wall clock that is put forward takes nobody's licences away, and time in
// which this node was off itself says nothing about a peer.
//
// What the amounts are of is not known here. It is a pure core: Step(now, event) → actions.
package pool

import (
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// Times of what a lost peer brought.
const (
	// Stays is how long it stays in the pool.
	Stays = 14 * 24 * time.Hour
	// Hours and Days are from when on an operator is told, first so and then so.
	Hours = time.Hour
	Days  = 24 * time.Hour
	// keepEvery is how much of the count a crash may lose.
	keepEvery = 5 * time.Minute
)

// Amounts are how much of each resource somebody brings.
type Amounts map[ledger.Resource]uint32

// Kept is what is known of a peer, durable.
type Kept struct {
	Brings Amounts
	// Trial is as in Brings.
	Trial bool `json:",omitempty"`
	// Away is how long it has been lost; 0: it is there.
	Away time.Duration
}

// Level says how far it is with a lost peer's amounts.
type Level uint8

// Levels: alarms 30012 and 30013, 30014 and 30015, 30016 and 30017.
const (
	Fresh Level = iota
	ForHours
	ForDays
	Removed
)

// Lost is a peer that is not there.
type Lost struct {
	Peer   cluster.ID
	Brings Amounts
	Away   time.Duration
	Level  Level
}

// Event is what happens to the core.
type Event interface{ event() }

// Brings is what a peer says that it brings, this node among them. Only those are asked who have properly joined.
type Brings struct {
	Peer    cluster.ID
	Amounts Amounts
	// Trial: it has bought nothing, and brings what it may try out. That counts only while nobody brings what
	// is bought: a peer without licences adds none to those of the others (LI-02).
	Trial bool
}

// Here says whether a peer is there (liveness).
type Here struct {
	Peer cluster.ID
	Is   bool
}

// Listed are the other peers of the list, there or not. What one brought that was taken off is gone at once.
type Listed struct{ Peers []cluster.ID }

// Tick says that time has passed. It comes at least once a minute.
type Tick struct{}

func (Brings) event() {}
func (Here) event()   {}
func (Listed) event() {}
func (Tick) event()   {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Totals says that there is another amount of something now.
type Totals struct{ Of Amounts }

// Keep makes what is known durable.
type Keep struct{ Peers map[cluster.ID]Kept }

func (Totals) action() {}
func (Keep) action()   {}

// Core counts what there is. It is not safe for concurrent use.
type Core struct {
	self   cluster.ID
	own    Brings
	peers  map[cluster.ID]*peer
	listed map[cluster.ID]bool // nil: not known yet, all that was kept counts
	totals Amounts
	kept   time.Duration // when it was kept last
	unkept bool
}

type peer struct {
	Kept
	here bool
	seen time.Duration // up to when Away is counted
}

// New returns the core of a node. Every peer that was kept is away until it is said to be here.
func New(self cluster.ID, now time.Duration, kept map[cluster.ID]Kept) *Core {
	c := &Core{self: self, peers: map[cluster.ID]*peer{}, kept: now}
	for id, k := range kept {
		c.peers[id] = &peer{Kept: Kept{maps.Clone(k.Brings), k.Trial, max(0, k.Away)}, seen: now}
	}
	return c
}

// Step takes an event and returns what has to be done.
func (c *Core) Step(now time.Duration, e Event) []Action {
	c.pass(now)
	switch e := e.(type) {
	case Brings:
		c.brings(now, e)
	case Here:
		c.here(now, e)
	case Listed:
		c.listed = map[cluster.ID]bool{}
		for _, id := range e.Peers {
			c.listed[id] = true
		}
		for id := range c.peers {
			if !c.listed[id] {
				delete(c.peers, id)
				c.unkept = true
			}
		}
	}
	var out []Action
	if totals := c.sum(); !maps.Equal(totals, c.totals) {
		c.totals = totals
		out = append(out, Totals{maps.Clone(totals)})
	}
	if c.unkept || c.away() && now-c.kept >= keepEvery {
		c.unkept, c.kept = false, now
		out = append(out, Keep{c.all()})
	}
	return out
}

// pass counts the time that the lost are away.
func (c *Core) pass(now time.Duration) {
	for _, p := range c.peers {
		if !p.here {
			p.Away += max(now-p.seen, 0)
		}
		p.seen = now
	}
}

func (c *Core) brings(now time.Duration, b Brings) {
	switch p := c.peers[b.Peer]; {
	case b.Peer == c.self:
		c.own = b
		c.own.Amounts = maps.Clone(b.Amounts)
	case c.listed != nil && !c.listed[b.Peer]:
	case p == nil:
		c.peers[b.Peer], c.unkept = &peer{Kept: Kept{Brings: maps.Clone(b.Amounts), Trial: b.Trial}, here: true, seen: now}, true
	case !maps.Equal(p.Brings, b.Amounts) || p.Trial != b.Trial:
		p.Brings, p.Trial, c.unkept = maps.Clone(b.Amounts), b.Trial, true
	}
}

func (c *Core) here(now time.Duration, h Here) {
	p := c.peers[h.Peer]
	if p == nil || p.here == h.Is {
		return
	}
	p.here, p.seen = h.Is, now
	if h.Is {
		p.Away = 0
	}
	c.unkept = true
}

// sum adds up what counts.
func (c *Core) sum() Amounts {
	out := c.Own()
	if out == nil {
		out = Amounts{}
	}
	bought := c.bought()
	for _, p := range c.peers {
		if p.Away >= Stays || p.Trial && bought {
			continue
		}
		for r, n := range p.Brings {
			out[r] += min(n, ^uint32(0)-out[r])
		}
	}
	return out
}

// bought says whether anybody who counts brings what is bought.
func (c *Core) bought() bool {
	if !c.own.Trial && len(c.own.Amounts) > 0 {
		return true
	}
	for _, p := range c.peers {
		if !p.Trial && len(p.Brings) > 0 && p.Away < Stays {
			return true
		}
	}
	return false
}

// Own returns what this node brings of what there is.
func (c *Core) Own() Amounts {
	if c.own.Trial && c.bought() {
		return nil
	}
	return maps.Clone(c.own.Amounts)
}

func (c *Core) away() bool {
	for _, p := range c.peers {
		if !p.here && p.Away < Stays+keepEvery {
			return true
		}
	}
	return false
}

func (c *Core) all() map[cluster.ID]Kept {
	out := make(map[cluster.ID]Kept, len(c.peers))
	for id, p := range c.peers {
		out[id] = Kept{maps.Clone(p.Brings), p.Trial, p.Away}
	}
	return out
}

// Totals returns how much there is of everything.
func (c *Core) Totals() Amounts { return maps.Clone(c.totals) }

// Lost returns the peers that are not there and brought something, by name.
func (c *Core) Lost() []Lost {
	var out []Lost
	bought := c.bought()
	for _, id := range slices.Sorted(maps.Keys(c.peers)) {
		if p := c.peers[id]; !p.here && len(p.Brings) > 0 && !(p.Trial && bought) {
			out = append(out, Lost{id, maps.Clone(p.Brings), p.Away, level(p.Away)})
		}
	}
	return out
}

func level(away time.Duration) Level {
	switch {
	case away >= Stays:
		return Removed
	case away >= Days:
		return ForDays
	case away >= Hours:
		return ForHours
	}
	return Fresh
}
