package ledger

import (
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// aside is a node's part in a provisional ledger: where nobody leads the agreement, those who are there count for
// themselves what is of policy available.
//
// The first of them in the list calls, under a History of its own. Each of the others, when it has heard no
// leader either, comes down to what it uses, says that, and counts in that History from then on. The one who called
// confirms nobody before all that are there do so: one that still hears a leader, or another first, keeps
// it from that, because two tables must not give the same thing to peers that reach each other.
type aside struct {
	under     History
	echo      uint64                  // the newest beat that its leader confirmed
	followers map[cluster.ID]follower // of who leads it
	lead      *leading                // nil: another leads it
}

// follower is what a peer's last beat said that it counts in.
type follower struct {
	under History
	at    time.Duration
}

// present are the members that are there, in the order of the list.
func (c *Core) present() []cluster.ID {
	return slices.DeleteFunc(slices.Clone(c.here), func(id cluster.ID) bool { return !slices.Contains(c.members, id) })
}

// hereAre forgets what those said who are not there any more.
func (c *Core) hereAre(ids []cluster.ID) {
	c.here = slices.Clone(ids)
	gone := func(id cluster.ID) bool { return !slices.Contains(c.here, id) }
	maps.DeleteFunc(c.calls, func(id cluster.ID, _ History) bool { return gone(id) })
	if c.aside != nil {
		maps.DeleteFunc(c.aside.followers, func(id cluster.ID, _ follower) bool { return gone(id) })
	}
}

// under is the History that this node counts in.
func (c *Core) under() History {
	if c.aside == nil {
		return History{}
	}
	return c.aside.under
}

// counts is what a beat says that this node counts in.
func (c *Core) counts() History {
	if c.aside == nil || c.aside.lead == nil && !c.released() {
		return History{} // it still has what it has not said
	}
	return c.aside.under
}

// Aside says whether this node counts in a provisional ledger, and in whose. What it may use is then as much as its
// own side of the cluster shares out.
func (c *Core) Aside() (History, bool) { return c.under(), c.aside != nil }

// part finds out whether this node counts by what is agreed, or in whose provisional ledger.
func (c *Core) part(now time.Duration) {
	here := c.present()
	if c.lead != nil || len(here) == 0 || now-c.led < FreeAfter && (c.term != 0 || here[0] == c.cfg.Self) {
		return
	}
	first := here[0]
	call := c.calls[first]
	switch {
	case first == c.cfg.Self:
		if c.aside == nil || c.aside.lead == nil {
			c.histories++
			c.turn(History{c.cfg.Self, c.cfg.Incarnation, c.histories})
			c.aside.lead = c.leader(now, c.reserved())
			c.aside.lead.under = c.aside.under
		}
	case call.Leader != first:
		if c.aside != nil && c.aside.under.Leader != first {
			c.aside.lead = nil // it is for another to call
		}
	case c.under() != call:
		c.turn(call)
	}
}

// turn counts in another History from now on, and brings there only what is in use.
func (c *Core) turn(to History) {
	c.aside = &aside{under: to, followers: map[cluster.ID]follower{}}
	c.unasked()
	c.releaseAll()
}

// reserved is the table with which a provisional ledger begins: with what members have by the agreement and what must be
// theirs for some time although they are not there, or for ever. Who is there says instead what it has.
func (c *Core) reserved() *Table {
	t := NewTable()
	for id, of := range c.table.Grants {
		for r, g := range of {
			kept := g.Leased && c.table.Totals[r].Hold > 0 && id != c.cfg.Self || !g.Leased
			if g.Amount == 0 || !kept || !slices.Contains(c.members, id) {
				continue
			}
			if t.Grants[id] == nil {
				t.Grants[id] = map[Resource]Grant{}
			}
			t.Grants[id][r] = Grant{Incarnation: g.Incarnation, Amount: g.Amount, Leased: g.Leased}
		}
	}
	return t
}

// comeBack counts by what is agreed again: there is a leader.
func (c *Core) comeBack() {
	if c.aside == nil {
		return
	}
	c.aside = nil
	c.unasked()
	c.releaseAll()
	for _, r := range names(c.hold) {
		c.next(r, c.hold[r])
	}
}

// releaseAll brings what this node uses leased from one table to another. What it uses by policy strict stays in the
// agreed one, whatever the configuration says meanwhile.
func (c *Core) releaseAll() {
	for _, r := range names(c.hold) {
		if h := c.hold[r]; h.leased {
			c.release(r, h)
		}
	}
	c.soon = true
}

// released says that everything is lowered, and told or told now as far as nothing keeps it for this node.
func (c *Core) released() bool {
	first := 0
	for _, h := range c.hold {
		if h.held && h.leased {
			return false
		}
		if h.asked != nil && c.first(h) {
			first++
		}
	}
	return first <= MaxWants
}

// followAside takes the answer of who leads the provisional ledger.
func (c *Core) followAside(m Lead) {
	a := c.aside
	if a == nil || m.Under != a.under || m.Incarnation != c.cfg.Incarnation || m.Echo <= a.echo || m.Echo > c.seq || m.Echo+remembered <= c.seq {
		return
	}
	a.echo = m.Echo
	owes := false
	for _, r := range names(m.Grants) {
		if h := c.hold[r]; h == nil || h.leased {
			c.granted(r, m.Grants[r])
			owes = owes || m.Grants[r].Freed
		}
	}
	c.give(m.Term, m.Number, m.Recall)
	for _, h := range c.hold {
		owes = owes || h.leased && h.owes()
	}
	if !owes {
		c.do(Lease{c.sent[m.Echo%remembered] + LeaseTime})
	}
}

// counted notes that a peer counts in the provisional ledger that this node leads, and takes what it
// holds. It says whether all do who are there: before that nobody is confirmed.
func (c *Core) counted(now time.Duration, from cluster.ID, b Beat) bool {
	a := c.aside
	a.followers[from] = follower{b.Under, now}
	if b.Under != a.under {
		return false
	}
	for _, w := range b.Wants {
		if w.Held && a.lead.knows(from, w) {
			a.lead.consider(now, from, b.Incarnation, w)
		}
	}
	return c.released() && !slices.ContainsFunc(c.present(), func(id cluster.ID) bool {
		f := a.followers[id]
		return id != c.cfg.Self && (f.under != a.under || now-f.at > LeaseTime)
	})
}

// Provisional returns the table of the provisional ledger that this node leads; nil: it leads none. It must not be changed.
func (c *Core) Provisional() *Table {
	if c.aside == nil || c.aside.lead == nil {
		return nil
	}
	return c.aside.lead.table
}

// wanted are the totals that a leader makes those of its table. A provisional ledger has them from
// its leader's configuration, or from what was agreed last.
func (l *leading) wanted() map[Resource]Total {
	if l.under == (History{}) {
		return l.core.totals
	}
	out := maps.Clone(l.core.table.Totals)
	maps.Copy(out, l.core.totals)
	maps.DeleteFunc(out, func(r Resource, _ Total) bool { return !l.core.loose(r) })
	return out
}
