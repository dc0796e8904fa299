package calls

import (
	"sync"
	"sync/atomic"
	"time"
)

// SetupBounds are the upper bounds, in seconds, of the histogram of call set-up.
var setupBounds = [...]float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 180}

// Stats is what a book has counted since the node's start, and what runs now.
type Stats struct {
	Running  map[State]int
	Attempts uint64
	Ended    map[Kind]uint64
	Setup    Histogram
	// Ladders is what the messages of all calls take, in bytes.
	Ladders int64
	// RecordsLost are records that were not written.
	RecordsLost uint64
}

// Histogram is how long calls took from the request to the answer.
type Histogram struct {
	Buckets map[float64]uint64 // up to so many seconds, cumulative
	Count   uint64
	Sum     float64
}

type counters struct {
	attempts atomic.Uint64

	mu    sync.Mutex
	ended map[Kind]uint64
	setup [len(setupBounds) + 1]uint64
	sum   float64
}

func (c *counters) end(k Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = map[Kind]uint64{}
	}
	c.ended[k]++
}

func (c *counters) setUp(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(setupBounds) && s > setupBounds[i] {
		i++
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setup[i]++
	c.sum += s
}

func (c *counters) histogram() Histogram {
	h := Histogram{Buckets: make(map[float64]uint64, len(setupBounds)), Sum: c.sum}
	for i, n := range c.setup {
		h.Count += n
		if i < len(setupBounds) {
			h.Buckets[setupBounds[i]] = h.Count
		}
	}
	return h
}

// Stats returns the counts.
func (b *Book) Stats() Stats {
	s := Stats{
		Running: map[State]int{Trying: 0, Ringing: 0, Connected: 0}, Attempts: b.stats.attempts.Load(),
		Ended: map[Kind]uint64{}, Ladders: b.ladders.Load(), RecordsLost: b.cfg.Records.Lost(),
	}
	b.mu.Lock()
	list := make([]*Entry, 0, len(b.running))
	for _, e := range b.running {
		list = append(list, e)
	}
	b.mu.Unlock()
	for _, e := range list {
		s.Running[e.state()]++
	}
	delete(s.Running, Ended) // it ended meanwhile
	b.stats.mu.Lock()
	defer b.stats.mu.Unlock()
	for _, k := range Kinds() {
		s.Ended[k] = b.stats.ended[k]
	}
	s.Setup = b.stats.histogram()
	return s
}

func (e *Entry) state() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.call.State
}
