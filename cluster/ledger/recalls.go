package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// A request for more than is left waits until the others have been asked for what they have idle.

// recalls says whether a request waits for what others have idle, until all have answered that have some; more: it has waited
// for long, and there may be more still than it can have now.
func (l *leading) recalls(now time.Duration, q request, i cluster.Incarnation, w Want) (waits, more bool) {
	was, known := l.waiting[q]
	begins := !known || was.Number != w.Number || was.incarnation != i
	if begins {
		l.core.rounds++
		was = waiting{w, i, now, l.core.rounds}
	}
	waited := now - was.since
	if waited >= answerTime || l.exhausted(q, was.recall, waited >= recallTime, was.since) {
		return false, false
	}
	if known || len(l.waiting) < maxWaiting {
		l.waiting[q] = was
		l.urgent[w.Resource] = l.urgent[w.Resource] || begins
	}
	return waited < recallTime, true
}

// lacks is how much is not there of what somebody wants, when all has been agreed that is under way.
func (l *leading) lacks(q request, w Want) uint32 {
	left := l.table.Left(q.resource)
	for _, id := range l.core.members {
		if p, ok := l.proposed[request{id, q.resource}]; ok && id != q.peer {
			left -= min(left, p.grows)
		}
	}
	there := satAdd(l.table.Grants[q.peer][q.resource].Amount, left)
	return w.Amount - min(there, w.Amount)
}

// urge asks all others at once for what somebody waits for since this step.
func (l *leading) urge() {
	maps.DeleteFunc(l.urgent, func(_ Resource, urgent bool) bool { return !urgent })
	if len(l.urgent) == 0 && len(l.pressed) == 0 {
		return
	}
	for _, id := range l.holders() {
		of := l.recall(id)
		maps.DeleteFunc(of, func(r Resource, _ uint32) bool { return !l.urgent[r] && !l.pressed[request{id, r}] })
		if len(of) > 0 {
			l.core.do(Send{id, Recall{Cluster: l.core.cfg.Cluster, Term: l.term, Of: of, Number: l.core.rounds, Under: l.under}})
		}
	}
	clear(l.urgent)
	clear(l.pressed)
}

// retry looks again at who waits for a resource, now that some of it may have come back: first at who has waited longest,
// so that none is always too late.
func (l *leading) retry(now time.Duration, r Resource) {
	var ids []cluster.ID
	for _, id := range l.core.members {
		if _, waits := l.waiting[request{id, r}]; waits {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b cluster.ID) int {
		return cmp.Compare(l.waiting[request{a, r}].recall, l.waiting[request{b, r}].recall)
	})
	for _, id := range ids {
		if w, waits := l.waiting[request{id, r}]; waits {
			l.consider(now, id, w.incarnation, w.Want)
		}
	}
}

// recall is to what a peer is asked to come down, if it can: others wait for the rest, or it is over
// the total. It is a ceiling, not a difference, so that one that comes late or twice does no harm.
func (l *leading) recall(from cluster.ID) map[Resource]uint32 {
	lacks := map[Resource]uint32{}
	for q, w := range l.waiting {
		if q.peer != from {
			lacks[q.resource] = satAdd(lacks[q.resource], l.lacks(q, w.Want))
		}
	}
	for r := range l.over {
		lacks[r] = satAdd(lacks[r], l.table.Over(r))
	}
	out := map[Resource]uint32{}
	for _, r := range names(lacks) {
		if g := l.table.Grants[from][r]; lacks[r] > 0 && g.Amount > 0 && len(out) < MaxWants {
			out[r] = g.Amount - min(lacks[r], g.Amount)
		}
	}
	return out
}
