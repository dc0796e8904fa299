package ledger

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// leading is what a leader knows besides the table, of the agreement or of a provisional ledger.
type leading struct {
	core      *Core
	table     *Table
	under     History // zero: of what is agreed
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

func (c *Core) leader(now time.Duration, t *Table) *leading {
	return &leading{
		core: c, table: t, began: now, confirmed: map[cluster.ID]time.Duration{},
		proposed: map[request]time.Duration{}, waiting: map[request]waiting{}, totals: map[Resource]time.Duration{},
	}
}

func (c *Core) leads(now time.Duration, e Leads) {
	if e.Term != c.freeingIn {
		c.freeingIn, c.freeing = e.Term, map[cluster.ID]bool{}
	}
	if c.lead == nil || c.lead.term != e.Term {
		c.lead = c.leader(now, c.table)
		c.lead.term = e.Term
	}
	c.lead.until = max(c.lead.until, e.At+Overlap)
	if now > c.lead.until {
		c.lead = nil
	}
}

// ruling is what this node leads: the agreement, or a provisional ledger.
func (c *Core) ruling() []*leading {
	switch {
	case c.lead != nil:
		return []*leading{c.lead}
	case c.aside != nil && c.aside.lead != nil:
		return []*leading{c.aside.lead}
	}
	return nil
}

// propose asks for agreement on an entry. In a provisional ledger its leader is all there is to ask.
func (l *leading) propose(now time.Duration, e Entry) {
	if l.under == (History{}) {
		l.core.do(Propose{e})
		return
	}
	l.table.Apply(e)
	l.applied(now, e)
}

// answer confirms a peer's beat and looks at what it wants.
func (l *leading) answer(now time.Duration, from cluster.ID, b Beat) {
	c := l.core
	if l.under != (History{}) {
		if !c.counted(now, from, b) {
			return
		}
	} else if c.freeing[from] {
		return
	}
	for _, w := range b.Wants {
		if _, shared := l.table.Totals[w.Resource]; w.Held || shared || l.under == (History{}) {
			l.consider(now, from, b.Incarnation, w)
		}
	}
	l.confirmed[from] = now
	c.do(Send{from, Lead{
		Cluster: c.cfg.Cluster, Term: l.term, Incarnation: b.Incarnation, Echo: b.Seq, Under: l.under,
		Grants: l.table.Of(from), Recall: l.recall(from),
	}})
}

// consider proposes what a peer wants, or has the others asked for it first.
func (l *leading) consider(now time.Duration, from cluster.ID, i cluster.Incarnation, w Want) {
	q := request{from, w.Resource}
	had := l.table.Grants[from][w.Resource]
	if i < had.Incarnation || i == had.Incarnation && w.Number <= had.Number {
		delete(l.waiting, q)
		return
	}
	if at, ok := l.proposed[q]; ok && now-at < proposeAgain {
		return
	}
	if left := l.table.Left(w.Resource); !w.Held && w.Amount > satAdd(had.Amount, left) {
		since := now
		was, waits := l.waiting[q]
		if waits && was.Number == w.Number {
			since = was.since
		}
		if now-since < recallTime {
			l.waiting[q] = waiting{w, i, since}
			if since == now {
				l.recallFor(q)
			}
			return
		}
	}
	delete(l.waiting, q)
	l.proposed[q] = now
	l.propose(now, Entry{Peer: from, Incarnation: i, Want: &w})
}

// lacks is how much is not there that somebody waits for.
func (l *leading) lacks(q request, w waiting) uint32 {
	there := satAdd(l.table.Grants[q.peer][q.resource].Amount, l.table.Left(q.resource))
	return w.Amount - min(there, w.Amount)
}

// recallFor asks all others at once for what somebody waits for.
func (l *leading) recallFor(q request) {
	for _, id := range l.holders() {
		if of := l.recall(id); id != q.peer && len(of) > 0 {
			l.core.do(Send{id, Recall{Cluster: l.core.cfg.Cluster, Term: l.term, Of: of, Under: l.under}})
		}
	}
}

// retry looks again at who waits for a resource, now that some of it may have come back.
func (l *leading) retry(now time.Duration, r Resource) {
	for _, id := range l.core.members {
		if w, ok := l.waiting[request{id, r}]; ok {
			l.consider(now, id, w.incarnation, w.Want)
		}
	}
}

// recall is to what a peer is asked to come down, if it can: others wait for the rest, or it is over
// the total. It is a ceiling, not a difference, so that one that comes late or twice does no harm.
func (l *leading) recall(from cluster.ID) map[Resource]uint32 {
	var out map[Resource]uint32
	add := func(r Resource, n uint32) {
		g := l.table.Grants[from][r]
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
	for q, w := range l.waiting {
		if q.peer != from {
			add(q.resource, l.lacks(q, w))
		}
	}
	for r := range l.table.Totals {
		add(r, l.table.Over(r))
	}
	return out
}

// rule proposes what follows from time: totals that differ from the configuration's, and
// ceilings of the lost.
func (l *leading) rule(now time.Duration) {
	c := l.core
	wanted := l.wanted()
	for _, r := range names(wanted) {
		total := wanted[r]
		at, ok := l.totals[r]
		if l.table.Totals[r] != total && (!ok || now-at >= proposeAgain) {
			l.totals[r] = now
			l.propose(now, Entry{Resource: r, Total: &total})
		}
	}
	for _, id := range l.holders() {
		freeing := l.under == (History{}) && c.freeing[id]
		if freeing || now-max(l.confirmed[id], l.began+Overlap) < FreeAfter {
			continue
		}
		if all := !slices.Contains(c.members, id); l.frees(id, all) {
			l.free(now, id, all)
		}
	}
	// Who waits and is not heard any more does not keep the others asked.
	for q, w := range l.waiting {
		if now-w.since > 2*recallTime {
			delete(l.waiting, q)
		}
	}
}

func (l *leading) free(now time.Duration, id cluster.ID, all bool) {
	var newest cluster.Incarnation
	for _, g := range l.table.Grants[id] {
		newest = max(newest, g.Incarnation)
	}
	if l.under == (History{}) {
		l.core.freeing[id] = true
	}
	l.propose(now, Entry{Peer: id, Incarnation: newest, Free: true, All: all})
}

// frees says whether there is anything of a lost peer's that policy frees, or anything at all.
func (l *leading) frees(id cluster.ID, all bool) bool {
	for r, g := range l.table.Grants[id] {
		if (all || l.table.Totals[r].Policy == Available) && !g.Freed && g.Amount > 0 {
			return true
		}
	}
	return false
}

func (l *leading) holders() []cluster.ID {
	var out []cluster.ID
	for id := range l.table.Grants {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// forget frees all of a peer, by the operator's word.
func (c *Core) forget(now time.Duration, id cluster.ID) {
	if c.Leading(now) && !c.freeing[id] {
		c.lead.free(now, id, true)
	}
}

// applied notes that what this leader proposed is agreed.
func (l *leading) applied(now time.Duration, e Entry) {
	switch {
	case e.Free:
		l.confirmed[e.Peer] = 0
	case e.Want != nil:
		delete(l.proposed, request{e.Peer, e.Want.Resource})
		l.retry(now, e.Want.Resource)
	case e.Total != nil:
		delete(l.totals, e.Resource)
	}
}
