package ledger

import (
	"slices"
	"time"
)

// beat tells all peers, of which one leads, that this node is there, and what it wants.
func (c *Core) beat(now time.Duration) {
	c.nextBeat, c.lastBeat, c.soon = now+beatInterval, now, false
	c.seq++
	c.sent[c.seq%remembered] = now
	b := Beat{Cluster: c.cfg.Cluster, Incarnation: c.cfg.Incarnation, Seq: c.seq}
	b.Wants = c.wants(now)
	b.Under = c.counts()
	if b.Spent = c.answers(); b.Spent != nil {
		b.Term = c.recallTerm
	}
	for _, id := range c.members {
		c.do(Send{id, b})
	}
}

// wants returns the requests that a beat has: first those without which nobody may be confirmed, then what is new,
// then what was said longest ago. More come with the next beat.
func (c *Core) wants(now time.Duration) []Want {
	var due []*holding
	for _, h := range c.asking {
		if !h.said || now-h.saidAt >= sayAgain || c.first(h) {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *holding) int { return c.order(a, b) })
	if len(due) > MaxWants {
		due, c.soon = due[:MaxWants], true
	}
	var out []Want
	for _, h := range due {
		h.said, h.saidAt = true, now
		out = append(out, *h.asked)
	}
	return out
}

// first says whether what is held must be said before a side without a leader can begin to count: nothing keeps it for
// this node meanwhile (see aside.reserved).
func (c *Core) first(h *holding) bool {
	r := h.asked.Resource
	t, ok := c.table.Totals[r]
	if !ok {
		t = c.totals[r]
	}
	return h.asked.Held && t.Hold == 0 && h.ceiling > 0
}

func (c *Core) order(a, b *holding) int {
	rank := func(h *holding) int64 {
		switch {
		case c.first(h):
			return -2
		case !h.said:
			return -1
		}
		return int64(h.saidAt)
	}
	if x, y := rank(a), rank(b); x != y {
		return int(min(max(x-y, -1), 1))
	}
	if a.asked.Resource < b.asked.Resource {
		return -1
	}
	return 1
}
