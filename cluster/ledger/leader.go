package ledger

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// leading is what a leader knows besides the table.
type leading struct {
	term      uint64
	began     time.Duration
	until     time.Duration // it confirms nothing after that
	confirmed map[cluster.ID]time.Duration
	proposed  map[request]time.Duration
	waiting   map[request]waiting // requests for which others are asked
	totals    map[Resource]time.Duration
}

type request struct {
	peer     cluster.ID
	resource Resource
}

type waiting struct {
	Want
	incarnation cluster.Incarnation
	since       time.Duration
}

func (c *Core) leads(now time.Duration, e Leads) {
	if e.Term != c.freeingIn {
		c.freeingIn, c.freeing = e.Term, map[cluster.ID]bool{}
	}
	if c.lead == nil || c.lead.term != e.Term {
		c.lead = &leading{
			term: e.Term, began: now, confirmed: map[cluster.ID]time.Duration{},
			proposed: map[request]time.Duration{}, waiting: map[request]waiting{}, totals: map[Resource]time.Duration{},
		}
	}
	c.lead.until = max(c.lead.until, e.At+Overlap)
	if now > c.lead.until {
		c.lead = nil
	}
}

// answer confirms a peer's beat and looks at what it wants.
func (c *Core) answer(now time.Duration, from cluster.ID, b Beat) {
	l := c.lead
	if l == nil || c.freeing[from] {
		return
	}
	for _, w := range b.Wants {
		c.consider(now, from, b.Incarnation, w)
	}
	l.confirmed[from] = now
	c.do(Send{from, Lead{Term: l.term, Incarnation: b.Incarnation, Echo: b.Seq, Grants: c.table.Of(from), Recall: c.recall(from)}})
}

// consider proposes what a peer wants, or has the others asked for it first.
func (c *Core) consider(now time.Duration, from cluster.ID, i cluster.Incarnation, w Want) {
	l, q := c.lead, request{from, w.Resource}
	had := c.table.Grants[from][w.Resource]
	if i < had.Incarnation || i == had.Incarnation && w.Number <= had.Number {
		delete(l.waiting, q)
		return
	}
	if at, ok := l.proposed[q]; ok && now-at < proposeAgain {
		return
	}
	if left := c.table.Left(w.Resource); !w.Held && w.Amount > satAdd(had.Amount, left) {
		since := now
		was, waits := l.waiting[q]
		if waits && was.Number == w.Number {
			since = was.since
		}
		if now-since < recallTime {
			l.waiting[q] = waiting{w, i, since}
			if since == now {
				c.recallFor(q)
			}
			return
		}
	}
	delete(l.waiting, q)
	l.proposed[q] = now
	c.do(Propose{Entry{Peer: from, Incarnation: i, Want: &w}})
}

// lacks is how much is not there that somebody waits for.
func (c *Core) lacks(q request, w waiting) uint32 {
	there := satAdd(c.table.Grants[q.peer][q.resource].Amount, c.table.Left(q.resource))
	return w.Amount - min(there, w.Amount)
}

// recallFor asks all others at once for what somebody waits for.
func (c *Core) recallFor(q request) {
	for _, id := range c.holders() {
		if of := c.recall(id); id != q.peer && len(of) > 0 {
			c.do(Send{id, Recall{c.lead.term, of}})
		}
	}
}

// retry looks again at who waits for a resource, now that some of it may have come back.
func (c *Core) retry(now time.Duration, r Resource) {
	for _, id := range c.members {
		if w, ok := c.lead.waiting[request{id, r}]; ok {
			c.consider(now, id, w.incarnation, w.Want)
		}
	}
}

// recall is to what a peer is asked to come down, if it can: others wait for the rest, or it is over
// the total. It is a ceiling, not a difference, so that one that comes late or twice does no harm.
func (c *Core) recall(from cluster.ID) map[Resource]uint32 {
	var out map[Resource]uint32
	add := func(r Resource, n uint32) {
		g := c.table.Grants[from][r]
		if n == 0 || g.Amount == 0 {
			return
		}
		if out == nil {
			out = map[Resource]uint32{}
		}
		if was, ok := out[r]; ok {
			g.Amount = was
		}
		out[r] = g.Amount - min(n, g.Amount)
	}
	for q, w := range c.lead.waiting {
		if q.peer != from {
			add(q.resource, c.lacks(q, w))
		}
	}
	for r := range c.table.Totals {
		add(r, c.table.Over(r))
	}
	return out
}

// rule proposes what follows from time: totals that differ from the configuration's, and
// ceilings of the lost.
func (c *Core) rule(now time.Duration) {
	l := c.lead
	if l == nil {
		return
	}
	for _, r := range names(c.totals) {
		total := c.totals[r]
		at, ok := l.totals[r]
		if c.table.Totals[r] != total && (!ok || now-at >= proposeAgain) {
			l.totals[r] = now
			c.do(Propose{Entry{Resource: r, Total: &total}})
		}
	}
	for _, id := range c.holders() {
		if !c.freeing[id] && now-max(l.confirmed[id], l.began+Overlap) >= FreeAfter && c.frees(id) {
			c.free(id, false)
		}
	}
	// Who waits and is not heard any more does not keep the others asked.
	for q, w := range l.waiting {
		if now-w.since > 2*recallTime {
			delete(l.waiting, q)
		}
	}
}

func (c *Core) free(id cluster.ID, all bool) {
	var newest cluster.Incarnation
	for _, g := range c.table.Grants[id] {
		newest = max(newest, g.Incarnation)
	}
	c.freeing[id] = true
	c.do(Propose{Entry{Peer: id, Incarnation: newest, Free: true, All: all}})
}

// frees says whether there is anything of a lost peer's that policy frees.
func (c *Core) frees(id cluster.ID) bool {
	for r, g := range c.table.Grants[id] {
		if c.table.Totals[r].Policy == Available && !g.Freed && g.Amount > 0 {
			return true
		}
	}
	return false
}

func (c *Core) holders() []cluster.ID {
	var out []cluster.ID
	for id := range c.table.Grants {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// forget frees all of a peer, by the operator's word.
func (c *Core) forget(now time.Duration, id cluster.ID) {
	if c.Leading(now) && !c.freeing[id] {
		c.free(id, true)
	}
}

// applied notes that what this leader proposed is agreed.
func (c *Core) applied(now time.Duration, e Entry) {
	if e.Free {
		delete(c.freeing, e.Peer)
	}
	l := c.lead
	if l == nil {
		return
	}
	switch {
	case e.Free:
		l.confirmed[e.Peer] = 0
	case e.Want != nil:
		delete(l.proposed, request{e.Peer, e.Want.Resource})
		c.retry(now, e.Want.Resource)
	case e.Total != nil:
		delete(l.totals, e.Resource)
	}
}
