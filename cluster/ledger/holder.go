package ledger

import (
	"time"
)

// holding is what this node has of a resource.
type holding struct {
	ceiling  uint32
	number   uint64 // of the last request
	asked    *Want  // the request that is not answered; nil: none
	lowering bool   // Lower was asked for
	held     bool   // what is lowered to is to be told as held
	desired  uint32 // the ceiling that would be enough; 0: it is
}

// holding returns what there is of a resource. The first word on it is what is in use already.
func (c *Core) holding(r Resource) *holding {
	h := c.hold[r]
	if h == nil {
		h = &holding{ceiling: c.cfg.Recovered[r]}
		c.hold[r] = h
		c.ask(r, h, h.ceiling, true)
	}
	return h
}

func (c *Core) ask(r Resource, h *holding, amount uint32, held bool) {
	h.number++
	h.asked = &Want{r, h.number, amount, held}
	c.nextBeat = 0
}

func (c *Core) short(s Short) {
	h := c.holding(s.Resource)
	h.desired = max(h.desired, satAdd(h.ceiling, s.N))
	c.next(s.Resource, h)
}

// next sends the next request, when there is none under way.
func (c *Core) next(r Resource, h *holding) {
	if h.asked == nil && !h.lowering && h.desired > h.ceiling {
		c.ask(r, h, h.desired, false)
	}
}

// lower lowers a ceiling here. The others hear of it when it is done.
func (c *Core) lower(r Resource, h *holding, to uint32) {
	if h.lowering || h.asked != nil || to >= h.ceiling {
		return
	}
	h.lowering = true
	c.do(Lower{r, to})
}

func (c *Core) lowered(e Lowered) {
	h := c.hold[e.Resource]
	if h == nil || !h.lowering {
		return
	}
	if !h.held && e.To >= h.ceiling {
		h.lowering = false // all of it is in use: there is nothing to give
		c.next(e.Resource, h)
		return
	}
	h.ceiling, h.lowering = e.To, false
	c.ask(e.Resource, h, h.ceiling, h.held)
	h.held, h.desired = false, 0
}

// follow takes the leader's answer.
func (c *Core) follow(m Lead) {
	if m.Incarnation != c.cfg.Incarnation || m.Term < c.term || m.Echo <= c.echo || m.Echo > c.seq || m.Echo+remembered <= c.seq {
		return
	}
	c.term, c.echo, c.led = m.Term, m.Echo, c.sent[m.Echo%remembered]
	c.comeBack()
	for _, r := range names(m.Grants) {
		c.granted(r, c.holding(r), m.Grants[r])
	}
	c.give(m.Recall)
	if !c.owing(m.Grants) {
		c.do(Lease{c.led + LeaseTime})
	}
}

// give gives back what others wait for, as far as it is idle.
func (c *Core) give(of map[Resource]uint32) {
	for _, r := range names(of) {
		if h := c.hold[r]; h != nil {
			c.lower(r, h, of[r])
		}
	}
}

// learn takes what is agreed on this node's requests at once, before the leader says it.
func (c *Core) learn(e Entry) {
	switch {
	case e.Peer != c.cfg.Self:
	case e.Want != nil:
		c.agreed(e.Want.Resource)
	case e.Free:
		for _, r := range names(c.table.Grants[c.cfg.Self]) {
			c.agreed(r)
		}
	}
}

// agreed takes what the table has for this node, unless it counts by another now.
func (c *Core) agreed(r Resource) {
	if c.aside == nil || !c.loose(r) {
		c.granted(r, c.holding(r), c.table.Grants[c.cfg.Self][r])
	}
}

// owing says that the table does not have what is in use here, because it was freed or is another
// process's: until it has, nothing more is taken.
func (c *Core) owing(grants map[Resource]Grant) bool {
	for _, g := range grants {
		if g.Freed || g.Incarnation != c.cfg.Incarnation {
			return true
		}
	}
	for _, h := range c.hold {
		if h.held || h.asked != nil && h.asked.Held {
			return true
		}
	}
	return false
}

// release comes down to what is in use, and says so before anything else. The rest is others'.
func (c *Core) release(r Resource, h *holding) {
	h.asked, h.held = nil, true
	if !h.lowering {
		h.lowering = true
		c.do(Lower{r, 0})
	}
}

func (c *Core) granted(r Resource, h *holding, g Grant) {
	if g.Incarnation != c.cfg.Incarnation {
		return // of the process before: what this one holds is on its way
	}
	if g.Freed {
		if h.lowering || h.asked != nil && h.asked.Held && h.asked.Number > g.Number {
			return // what is in use is on its way
		}
		c.release(r, h) // it was lost too long
		return
	}
	if h.asked == nil || g.Number != h.asked.Number {
		return
	}
	denied := g.Amount < h.asked.Amount
	h.asked = nil
	if g.Amount > h.ceiling {
		h.ceiling = g.Amount
		c.do(Raise{r, h.ceiling})
	}
	if denied || h.ceiling >= h.desired {
		h.desired = 0
	}
	if denied {
		c.do(Denied{r})
	}
	c.next(r, h)
}

// beat tells all peers, of which one leads, that this node is there, and what it wants.
func (c *Core) beat(now time.Duration) {
	c.nextBeat = now + beatInterval
	c.seq++
	c.sent[c.seq%remembered] = now
	b := Beat{Cluster: c.cfg.Cluster, Incarnation: c.cfg.Incarnation, Seq: c.seq, Under: c.counts()}
	for _, r := range names(c.hold) {
		if w := c.hold[r].asked; w != nil {
			b.Wants = append(b.Wants, *w)
		}
	}
	for _, id := range c.members {
		c.do(Send{id, b})
	}
}

// Ceiling returns what this node may use of a resource while its lease lasts.
func (c *Core) Ceiling(r Resource) uint32 {
	if h := c.hold[r]; h != nil {
		return h.ceiling
	}
	return 0
}
