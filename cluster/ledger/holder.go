package ledger

import (
	"maps"
	"time"
)

// holding is what this node has of a resource that it wanted once.
type holding struct {
	ceiling  uint32
	asked    *Want         // the request that is not answered; nil: none
	said     bool          // a beat had it already,
	saidAt   time.Duration // at this time
	lowering bool          // Lower was asked for
	held     bool          // what is lowered to is to be told as held
	moved    bool          // so it is because it was counted elsewhere
	leased   bool          // it may be used only while the lease runs
	desired  uint32        // the ceiling that would be enough
	since    time.Duration // when asked was made
	// What others wait for.
	recalled  asked
	lowersTo  uint32 // what was asked for with Lower,
	lowersFor uint64 // after this recall
	spent     Spent  // said last
}

// limited takes what there is by the configuration. What is in use already of something that was not limited before is
// told; nothing is said of what nobody uses here.
func (c *Core) limited(of map[Resource]Total) {
	was := c.totals
	c.totals = maps.Clone(of)
	for _, r := range names(of) {
		_, known := was[r]
		switch h := c.hold[r]; {
		case known || c.probed[r] || h != nil && was == nil:
		case h != nil:
			c.release(r, h)
		default:
			c.probed[r] = true
			c.do(Lower{r, 0})
		}
	}
	for _, l := range c.ruling() {
		l.ruled = 0
	}
}

// found makes a holding of what is in use.
func (c *Core) found(e Lowered) {
	if delete(c.probed, e.Resource); e.To > 0 {
		h := &holding{ceiling: e.To, leased: true}
		c.hold[e.Resource] = h
		c.do(Leased{e.Resource, true})
		c.ask(e.Resource, h, h.ceiling, true)
	}
}

// holding returns what there is of a resource. The first word on it is what is in use already.
func (c *Core) holding(r Resource) *holding {
	h := c.hold[r]
	if h == nil {
		h = &holding{leased: true}
		c.hold[r] = h
		c.do(Leased{r, true})
		c.release(r, h)
	}
	return h
}

func (c *Core) ask(r Resource, h *holding, amount uint32, held bool) {
	leased := c.leases(r, h)
	if leased {
		c.lease(r, h)
	}
	c.number++
	h.asked, h.said = &Want{Resource: r, Number: c.number, Amount: amount, Held: held, Leased: leased}, false
	h.since = c.now
	c.asking[r], c.soon = h, true
}

func (c *Core) answered(r Resource, h *holding) {
	h.asked = nil
	delete(c.asking, r)
}

func (c *Core) short(s Short) {
	c.left = false
	h := c.holding(s.Resource)
	h.desired = max(h.desired, satAdd(h.ceiling, s.N))
	c.next(s.Resource, h)
}

// next sends the next request, when there is none under way.
func (c *Core) next(r Resource, h *holding) {
	switch {
	case h.asked != nil || h.lowering:
	case h.desired > h.ceiling:
		c.ask(r, h, h.desired, false)
	case h.ceiling > 0 && h.leased != c.leases(r, h):
		c.ask(r, h, h.ceiling, false)
	}
}

// lower lowers a ceiling here. The others hear of it when it is done. What is wanted besides does not
// keep what is idle from others that wait too.
func (c *Core) lower(r Resource, h *holding, to uint32) bool {
	shrinks := h.asked != nil && (h.asked.Held || h.asked.Amount <= h.ceiling)
	if h.lowering || shrinks || to >= h.ceiling {
		return false
	}
	h.lowering, h.lowersTo, h.lowersFor = true, to, c.recall
	c.do(Lower{r, to})
	return true
}

func (c *Core) lowered(e Lowered) {
	r, h := e.Resource, c.hold[e.Resource]
	if h == nil && c.probed[r] {
		c.found(e)
		return
	}
	delete(c.probed, r)
	if h == nil || !h.lowering {
		return
	}
	was := h.ceiling
	h.lowering = false
	h.held = h.held || e.To > was // it was not limited meanwhile
	c.cameDown(r, h, e.To)
	if !h.held && e.To == was {
		if c.goOn(r, h) {
			return // asked again meanwhile
		}
		c.next(r, h) // all of it is in use: there is nothing to give
		if c.aside == nil || !h.leased {
			c.agreed(r) // what was answered meanwhile
		}
		return
	}
	if h.desired <= was {
		h.desired = 0
	}
	held := h.held
	h.ceiling, h.held = e.To, false
	if held && c.unheard(r, h) {
		c.next(r, h)
		return
	}
	c.ask(r, h, h.ceiling, held)
}

// unheard says that there is nothing to say of what is held: nothing is, and the table has nothing else.
func (c *Core) unheard(r Resource, h *holding) bool {
	_, has := c.table.Grants[c.cfg.Self][r]
	return h.ceiling == 0 && !has && c.aside == nil
}

// leave gives back what is idle, now and as it becomes known, until something is wanted.
func (c *Core) leave() {
	c.left = true
	for _, r := range names(c.hold) {
		h := c.hold[r]
		h.desired = 0
		c.lower(r, h, 0)
	}
}

// follow takes the leader's answer.
func (c *Core) follow(m Lead) {
	if m.Incarnation != c.cfg.Incarnation || m.Term < c.term || m.Echo <= c.echo || m.Echo > c.seq || m.Echo+remembered <= c.seq {
		return
	}
	if m.Term > c.term {
		c.sayAll() // the leader is another
	}
	c.term, c.echo, c.led = m.Term, m.Echo, c.sent[m.Echo%remembered]
	c.comeBack()
	for _, r := range names(m.Grants) {
		c.granted(r, m.Grants[r])
	}
	c.give(m.Term, m.Number, m.Recall)
	if !c.owing(m.Grants) {
		c.do(Lease{c.led + LeaseTime})
	}
}

// sayAll says all requests again.
func (c *Core) sayAll() {
	for _, h := range c.asking {
		h.said, c.soon = false, true
	}
}

// learn takes what is agreed on this node's requests at once, before the leader says it; and by which rule.
func (c *Core) learn(e Entry) {
	switch {
	case e.Total != nil:
		if h := c.hold[e.Resource]; h != nil {
			c.next(e.Resource, h)
		}
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
	if h := c.hold[r]; c.aside == nil || h != nil && !h.leased {
		c.granted(r, c.table.Grants[c.cfg.Self][r])
	}
}

// missing says what is in use of that which the table has for this node and it does not know of.
func (c *Core) missing() {
	of := c.table.Grants[c.cfg.Self]
	for _, r := range names(of) {
		if of[r].Amount > 0 {
			c.holding(r)
		}
	}
}

// owing says that the table does not have what is in use here, because it was freed or is another
// process's: until it has, nothing more is taken.
func (c *Core) owing(grants map[Resource]Grant) bool {
	for _, g := range grants {
		if g.Freed || g.Amount > 0 && g.Incarnation != c.cfg.Incarnation {
			return true
		}
	}
	for r, h := range c.hold {
		_, agreed := c.table.Totals[r]
		_, own := c.totals[r]
		if h.owes() && (agreed || own && h.moved) {
			return true
		}
	}
	return false
}

// owes says that something is in use which is to be told as held.
func (h *holding) owes() bool {
	return h.ceiling > 0 && (h.held || h.asked != nil && h.asked.Held)
}

// release comes down to what is in use, and says so before anything else. The rest is others'.
func (c *Core) release(r Resource, h *holding) {
	c.answered(r, h)
	c.lease(r, h)
	h.held, h.moved = true, h.moved || h.ceiling > 0
	if !h.lowering {
		h.lowering, h.lowersTo, h.lowersFor = true, 0, c.recall
		if !c.probed[r] {
			c.do(Lower{r, 0})
		}
	}
}

func (c *Core) granted(r Resource, g Grant) {
	h := c.hold[r]
	if h == nil {
		if g.Amount > 0 || g.Freed {
			c.holding(r) // of the process before, or forgotten: what is in use is said
		}
		return
	}
	if g.Incarnation != c.cfg.Incarnation {
		c.inherited(r, h, g)
		return
	}
	if g.Freed {
		if h.lowering && h.held || h.asked != nil && h.asked.Held && h.asked.Number > g.Number {
			return // what is in use is on its way
		}
		c.release(r, h) // it was lost too long
		return
	}
	if h.lowering {
		return // it is looked at then
	}
	if h.asked == nil && g.Amount > h.ceiling && c.aside == nil {
		c.ask(r, h, h.ceiling, false) // nobody here waits for that any more
	}
	if h.asked == nil || g.Number != h.asked.Number {
		return
	}
	denied := g.Amount < h.asked.Amount && !g.More
	c.answered(r, h)
	c.unlease(r, h, g)
	h.moved = false
	asked, raised := h.since, g.Amount > h.ceiling
	if raised {
		h.ceiling = g.Amount
		c.do(Raise{r, h.ceiling})
	}
	if denied || h.ceiling >= h.desired {
		h.desired = 0
	}
	if denied {
		c.do(Denied{r, asked})
	}
	switch {
	case c.left:
		c.lower(r, h, 0)
	case raised:
		h.recalled.open = false // it is for who waits here
	default:
		c.goOn(r, h)
	}
	c.next(r, h)
}

// inherited is about what a process before had: what this one holds is said first.
func (c *Core) inherited(r Resource, h *holding, g Grant) {
	says := h.lowering && h.held || h.asked != nil && h.asked.Held
	said := c.aside == nil && c.table.Grants[c.cfg.Self][r].Incarnation == c.cfg.Incarnation
	if !says && !said && g.Incarnation != 0 && (g.Amount > 0 || g.Freed || h.asked != nil) {
		c.release(r, h)
	}
}

// sweep comes down to what is in use of what has no total any more, and forgets what nobody here uses of it once the table
// has nothing of it either. What the table has that is not known here is said: an answer may come when nobody
// remembers the request.
func (c *Core) sweep() {
	if c.aside != nil {
		return
	}
	for _, r := range names(c.hold) {
		h := c.hold[r]
		_, agreed := c.table.Totals[r]
		_, own := c.totals[r]
		g, has := c.table.Grants[c.cfg.Self][r]
		switch {
		case agreed || own || h.lowering:
		case has && h.ceiling > 0:
			c.lower(r, h, 0)
		case g.Amount > 0:
			if h.asked == nil {
				c.release(r, h)
			}
		default:
			if h.desired > 0 {
				c.do(Denied{r, c.now})
			}
			c.answered(r, h)
			delete(c.hold, r)
			c.do(Lower{r, 0}) // it begins anew when there is a total again
		}
	}
	c.missing()
}

// Ceiling returns what this node may use of a resource while its lease lasts.
func (c *Core) Ceiling(r Resource) uint32 {
	if h := c.hold[r]; h != nil {
		return h.ceiling
	}
	return 0
}
