package ledger

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Whether the others have more is known as soon as all of them have answered: so a request for more than there is waits
// for a round trip, and not for the time after which a leader gives up on who does not answer.
//
// A leader numbers its recalls. Each request that begins to wait begins a new number, and only what was said of
// a later recall counts for it. A peer that has come down as far as it can, and not as far as it was asked, has Spent what it
// has, and says so with its ceiling: when the table has more for it than that, it has not answered.

// Spent is a peer's answer to a recall: its ceiling of a resource is so high, and all of it in use. What is on its way
// to it is not in that.
type Spent struct {
	Resource Resource
	Recall   uint64 // the newest that it had when it looked
	Ceiling  uint32
}

// asked is what a holder was asked to come down to and has not answered yet.
type asked struct {
	open   bool
	recall uint64
	to     uint32
	at     time.Duration
}

// give gives back what others wait for, as far as it is idle.
func (c *Core) give(term, recall uint64, of map[Resource]uint32) {
	if term > c.recallTerm {
		c.unasked()
		c.recallTerm = term
	}
	if term == c.recallTerm {
		c.recall = max(c.recall, recall)
	}
	for i, r := range names(of) {
		h := c.hold[r]
		if h == nil || i >= MaxWants {
			continue
		}
		h.recalled = asked{open: recall > 0 && term == c.recallTerm, recall: c.recall, to: of[r], at: c.now}
		if c.comeDown(r, h, of[r]) {
			c.recalls++
		}
	}
}

// comeDown begins to come down. What cannot be begun now is looked at when what is on its way is answered.
func (c *Core) comeDown(r Resource, h *holding, to uint32) bool {
	if h.asked == nil && !h.lowering && to >= h.ceiling {
		h.recalled.open = false // the table has more for it, which is on its way
	}
	return c.lower(r, h, to)
}

// goOn does what could not be begun when it was asked for, unless nobody waits for that any more.
func (c *Core) goOn(r Resource, h *holding) bool {
	h.recalled.open = h.recalled.open && c.now-h.recalled.at < recallTime
	return h.recalled.open && c.comeDown(r, h, h.recalled.to)
}

// cameDown answers what was asked, when a ceiling is To.
func (c *Core) cameDown(r Resource, h *holding, to uint32) {
	if !h.recalled.open || h.lowersFor < h.recalled.recall {
		return
	}
	h.recalled.open = false
	if to <= h.lowersTo {
		return // it has given what was asked for, and may have more
	}
	s := Spent{r, h.lowersFor, to}
	c.spent[r] = s
	c.soon = c.soon || s != h.spent
	h.spent = s
}

// unasked forgets what was asked: it was by a leader that leads no more.
func (c *Core) unasked() {
	c.recallTerm, c.recall = 0, 0
	clear(c.spent)
	for _, h := range c.hold {
		h.recalled, h.spent, h.lowersFor = asked{}, Spent{}, 0
	}
}

// answers are what a beat says of recalls; once, and again when it is asked again. More come with the next beat.
func (c *Core) answers() []Spent {
	if len(c.spent) == 0 || c.counts() != c.under() {
		return nil
	}
	var out []Spent
	for _, r := range names(c.spent) {
		if len(out) == MaxWants {
			c.soon = true
			break
		}
		out = append(out, c.spent[r])
		delete(c.spent, r)
	}
	return out
}

// hears takes a peer's answer. False: it says nothing new of what it has now, or is for another leader.
func (l *leading) hears(from request, b Beat, s Spent) bool {
	g := l.table.Grants[from.peer][from.resource]
	if g.Amount == 0 || g.Incarnation != b.Incarnation || b.Under != l.under || b.Term != l.term || s.Recall < l.spent[from].Recall {
		return false
	}
	l.spent[from] = s
	return true
}

// says whether a peer has said since a recall that it has no more than it uses.
func (l *leading) says(q request, recall uint64) bool {
	s := l.spent[q]
	return s.Recall >= recall && l.table.Grants[q.peer][q.resource].Amount <= s.Ceiling
}

// exhausted says that all others have said so who have some, since a recall. Who is to get some may not use it. After
// long nobody is waited for who was not heard since then.
func (l *leading) exhausted(q request, recall uint64, long bool, since time.Duration) bool {
	for id, of := range l.table.Grants {
		silent := long && l.confirmed[id] < since
		if id != q.peer && of[q.resource].Amount > 0 && !silent && !l.says(request{id, q.resource}, recall) {
			return false
		}
	}
	return !slices.ContainsFunc(l.core.members, func(id cluster.ID) bool {
		return id != q.peer && l.proposed[request{id, q.resource}].grows > 0
	})
}

// again asks a peer at once that has given all it was asked for, when somebody waits still: another was faster.
func (l *leading) again(q request) {
	var newest uint64
	for _, id := range l.core.members {
		if w, waits := l.waiting[request{id, q.resource}]; waits && id != q.peer {
			newest = max(newest, w.recall)
		}
	}
	if newest > 0 && l.table.Grants[q.peer][q.resource].Amount > 0 && !l.says(q, newest) {
		l.pressed[q] = true
	}
}
