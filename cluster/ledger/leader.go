package ledger

import (
	"maps"
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
	proposed  map[request]proposed
	waiting   map[request]waiting // requests for which others are asked
	urgent    map[Resource]bool   // of which others are asked at the end of the step
	pressed   map[request]bool    // who is asked then of what
	spent     map[request]Spent   // who has said that it has no more
	over      map[Resource]bool   // of which more is granted than there is
	totals    map[Resource]time.Duration
	ruled     time.Duration // when totals are looked at next
}

type request struct {
	peer     cluster.ID
	resource Resource
}

// proposed is a request that is to be agreed on: so much will not be left then.
type proposed struct {
	at    time.Duration
	grows uint32
}

type waiting struct {
	Want
	incarnation cluster.Incarnation
	since       time.Duration
	recall      uint64 // answers to an earlier one do not count for it
}

func (c *Core) leader(now time.Duration, t *Table) *leading {
	l := &leading{
		core: c, table: t, began: now, confirmed: map[cluster.ID]time.Duration{}, urgent: map[Resource]bool{}, over: map[Resource]bool{},
		proposed: map[request]proposed{}, waiting: map[request]waiting{}, pressed: map[request]bool{}, spent: map[request]Spent{}, totals: map[Resource]time.Duration{},
	}
	for r := range t.Totals {
		l.look(r)
	}
	return l
}

// look sees whether more of a resource is granted than there is.
func (l *leading) look(r Resource) {
	if _, shared := l.table.Totals[r]; shared && l.table.Over(r) > 0 {
		l.over[r] = true
	} else {
		delete(l.over, r)
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
		if l.knows(from, w) {
			l.consider(now, from, b.Incarnation, w)
		}
	}
	for _, s := range b.Spent[:min(len(b.Spent), MaxWants)] {
		if l.hears(request{from, s.Resource}, b, s) {
			l.retry(now, s.Resource)
		}
	}
	l.confirmed[from] = now
	c.do(Send{from, Lead{
		Cluster: c.cfg.Cluster, Term: l.term, Incarnation: b.Incarnation, Echo: b.Seq, Under: l.under,
		Grants: l.learns(from, b), Recall: l.recall(from), Number: c.rounds,
	}})
}

// knows says whether there is such a thing to ask for here. In a provisional ledger that is what its peers use
// while they have a lease, no more names of a peer than there can be.
func (l *leading) knows(from cluster.ID, w Want) bool {
	_, shared := l.table.Totals[w.Resource]
	_, has := l.table.Grants[from][w.Resource]
	if l.under != (History{}) {
		return w.Leased && (shared || has || w.Held && len(l.table.Grants[from]) < maxHeld)
	}
	return shared || has
}

// learns are the grants that a peer must hear of: answers to what it asks, and those that it has not asked for, or
// not in this life.
func (l *leading) learns(from cluster.ID, b Beat) map[Resource]Grant {
	out := map[Resource]Grant{}
	of := l.table.Grants[from]
	for _, w := range b.Wants {
		if g, ok := of[w.Resource]; ok && (g.Incarnation != b.Incarnation || g.Number >= w.Number) {
			out[w.Resource] = g
		}
	}
	var news []Resource
	for r, g := range of {
		if g.Freed || g.Amount > 0 && (g.Incarnation != b.Incarnation || g.Number == 0) {
			news = append(news, r)
		}
	}
	slices.Sort(news)
	for _, r := range news {
		if len(out) < MaxWants {
			out[r] = of[r]
		}
	}
	return out
}

// consider proposes what a peer wants, or has the others asked for it first.
func (l *leading) consider(now time.Duration, from cluster.ID, i cluster.Incarnation, w Want) {
	q := request{from, w.Resource}
	had, known := l.table.Grants[from][w.Resource]
	if i < had.Incarnation || i == had.Incarnation && w.Number <= had.Number || !w.Held && (had.Freed || known && i > had.Incarnation) {
		delete(l.waiting, q)
		return // answered, or it has to say first what it holds
	}
	under, ok := l.proposed[q]
	if ok && now-under.at < proposeAgain || !ok && len(l.proposed) >= maxProposed {
		return
	}
	w.More = false
	if missing := l.lacks(q, w); !w.Held && missing > 0 {
		var waits bool
		if waits, w.More = l.recalls(now, q, i, w); waits || w.More && missing == w.Amount-had.Amount {
			return
		}
	}
	delete(l.waiting, q)
	l.proposed[q] = proposed{now, w.Amount - min(had.Amount, w.Amount)}
	l.propose(now, Entry{Peer: from, Incarnation: i, Want: &w})
}

// rule proposes what follows from time: totals that differ from the configuration's, and
// ceilings of the lost.
func (l *leading) rule(now time.Duration) {
	if now >= l.ruled {
		l.ruled = now + ruleEvery
		l.total(now)
		l.forgets(now)
	}
	for _, id := range l.holders() {
		freeing := l.under == (History{}) && l.core.freeing[id]
		lost := now - max(l.confirmed[id], l.began+Overlap) - FreeAfter
		if freeing || lost < 0 {
			continue
		}
		all := !slices.Contains(l.core.members, id)
		if hold, any := l.frees(id, all, lost); any {
			l.free(id, all, hold, now)
		}
	}
}

// total has the totals agreed that the configuration has.
func (l *leading) total(now time.Duration) {
	wanted := l.wanted()
	for _, r := range names(wanted) {
		if total := wanted[r]; l.table.Totals[r] != total {
			l.proposeTotal(now, Entry{Resource: r, Total: &total})
		}
	}
	if l.under != (History{}) || l.core.totals == nil || now-l.began < goneAfter {
		return
	}
	for _, r := range names(l.table.Totals) {
		if _, there := wanted[r]; !there {
			l.proposeTotal(now, Entry{Resource: r, Gone: true})
		}
	}
}

func (l *leading) proposeTotal(now time.Duration, e Entry) {
	at, ok := l.totals[e.Resource]
	if ok && now-at < proposeAgain || !ok && len(l.totals) >= maxProposed {
		l.ruled = now
		return
	}
	l.totals[e.Resource] = now
	l.propose(now, e)
}

// forgets is about who waits and is not heard any more: it does not keep the others asked; nor does what was proposed and
// will not be said again keep its place.
func (l *leading) forgets(now time.Duration) {
	maps.DeleteFunc(l.waiting, func(_ request, w waiting) bool { return now-w.since > answerTime+recallTime })
	maps.DeleteFunc(l.spent, func(q request, _ Spent) bool {
		return !slices.ContainsFunc(l.core.members, func(id cluster.ID) bool { _, waits := l.waiting[request{id, q.resource}]; return waits })
	})
	old := func(at time.Duration) bool { return now-at > 4*proposeAgain }
	maps.DeleteFunc(l.proposed, func(_ request, p proposed) bool { return old(p.at) })
	maps.DeleteFunc(l.totals, func(_ Resource, at time.Duration) bool { return old(at) })
}

func (l *leading) free(id cluster.ID, all bool, hold, now time.Duration) {
	var newest cluster.Incarnation
	for _, g := range l.table.Grants[id] {
		newest = max(newest, g.Incarnation)
	}
	if l.under == (History{}) {
		l.core.freeing[id] = true
	}
	l.propose(now, Entry{Peer: id, Incarnation: newest, Free: true, All: all, Hold: hold})
}

// frees says whether there is anything of a lost peer's that policy frees, or anything at all; and up to which time
// of being held.
func (l *leading) frees(id cluster.ID, all bool, lost time.Duration) (hold time.Duration, any bool) {
	for r, g := range l.table.Grants[id] {
		h := l.table.Totals[r].Hold
		if !g.Freed && g.Amount > 0 && (all || g.Leased && h <= lost) {
			hold, any = max(hold, h), true
		}
	}
	return hold, any
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
		c.lead.free(id, true, 0, now)
	}
}

// applied notes that what this leader proposed is agreed.
func (l *leading) applied(now time.Duration, e Entry) {
	switch {
	case e.Free:
		for r := range l.table.Grants[e.Peer] {
			l.look(r)
		}
	case e.Want != nil:
		q := request{e.Peer, e.Want.Resource}
		p, ok := l.proposed[q]
		delete(l.proposed, q)
		l.look(q.resource)
		l.retry(now, q.resource)
		if ok && p.grows == 0 {
			l.again(q)
		}
	default:
		delete(l.totals, e.Resource)
		l.look(e.Resource)
		l.retry(now, e.Resource)
	}
}
