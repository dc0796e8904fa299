package ledger

import (
	"maps"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// heard is a request to grow that a peer said; it is said again while it is not answered.
type heard struct {
	number, amount uint64
	since, last    time.Duration
}

// forgotten is after how long a request counts no more that is not said again.
const forgotten = 2 * time.Second

// note remembers what a peer waits for: each peer hears it from each.
func (c *Core) note(now time.Duration, from cluster.ID, b Beat) {
	for _, w := range b.Wants {
		of := c.wanted[from]
		was, known := of[w.Resource]
		if w.Held || w.Amount <= c.table.Grants[from][w.Resource].Amount || !known && len(of) >= MaxWants {
			delete(of, w.Resource)
			continue
		}
		if of == nil {
			of = map[Resource]heard{}
			c.wanted[from] = of
		}
		if !known || now-was.last > forgotten {
			was.since = now
		}
		of[w.Resource] = heard{w.Number, uint64(w.Amount), was.since, now}
	}
}

func (c *Core) forgetWants(now time.Duration) {
	for _, of := range c.wanted {
		maps.DeleteFunc(of, func(_ Resource, h heard) bool { return now-h.last > forgotten })
	}
}

// Waiting returns the requests of all peers that are not answered, by resource and peer.
func (c *Core) Waiting(now time.Duration) []Waiting {
	var out []Waiting
	for id, of := range c.wanted {
		for r, h := range of {
			if now-h.last <= forgotten && c.table.Grants[id][r].Number < h.number {
				out = append(out, Waiting{Peer: id, Resource: r, Amount: uint32(h.amount), Since: h.since})
			}
		}
	}
	slices.SortFunc(out, func(a, b Waiting) int {
		if n := strings.Compare(string(a.Resource), string(b.Resource)); n != 0 {
			return n
		}
		return strings.Compare(string(a.Peer), string(b.Peer))
	})
	return out
}
