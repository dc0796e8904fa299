package patience

import (
	"sync"
	"time"

	"turnpike.dev/turnpike/control/calls"
)

// bounds are the seconds of the histogram: of a round trip between peers, of some, and of the longest that anybody waits.
var bounds = [...]float64{0.1, 0.25, 0.5, 1, 1.5, 6}

type counts struct {
	mu     sync.Mutex
	ended  [outcomes]uint64
	within [len(bounds) + 1]uint64
	sum    time.Duration
}

func (c *counts) over(d time.Duration, how Outcome) {
	i := 0
	for i < len(bounds) && d.Seconds() > bounds[i] {
		i++
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[how]++
	c.within[i]++
	c.sum += d
}

// Stats counts requests that waited and are decided, since the start.
type Stats struct {
	Ended map[string]uint64 // by outcome
	Time  calls.Histogram   // that they waited
}

// Stats returns the counters. It may be called from any goroutine.
func (p *Patience) Stats() Stats {
	s := Stats{Ended: map[string]uint64{}, Time: calls.Histogram{Buckets: map[float64]uint64{}}}
	if p == nil {
		p = &Patience{}
	}
	p.counts.mu.Lock()
	defer p.counts.mu.Unlock()
	for o := range outcomes {
		s.Ended[o.String()] = p.counts.ended[o]
	}
	for i, n := range p.counts.within {
		s.Time.Count += n
		if i < len(bounds) {
			s.Time.Buckets[bounds[i]] = s.Time.Count
		}
	}
	s.Time.Sum = p.counts.sum.Seconds()
	return s
}
