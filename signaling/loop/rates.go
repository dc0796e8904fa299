package loop

import (
	"net/netip"
	"sync"
	"time"
)

// shards of the table of rates: loops meet in it at each message.
const shards = 64

// rates is a token bucket for each source. It is bounded: when a shard is full, new
// sources of it share one bucket, so that spoofed addresses cost no memory and do not
// make anybody else's bucket forget.
type rates struct {
	limits Limits
	shard  [shards]rateShard
}

type rateShard struct {
	mu     sync.Mutex
	source map[netip.Addr]*bucket
	rest   bucket // of those that have no bucket of their own
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newRates(l Limits) *rates {
	r := &rates{limits: l}
	for i := range r.shard {
		r.shard[i].source = make(map[netip.Addr]*bucket)
	}
	return r
}

// allow takes one token of a source, and reports whether there was one.
func (r *rates) allow(from netip.Addr, now time.Time) bool {
	from = origin(from)
	s := &r.shard[shardOf(from)]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.source[from]
	if b == nil && len(s.source) >= max(1, r.limits.RatedSources/shards) {
		b = &s.rest
	}
	if b == nil {
		b = &bucket{}
		s.source[from] = b
	}
	r.fill(b, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (r *rates) fill(b *bucket, now time.Time) {
	if b.at.IsZero() {
		b.tokens = float64(r.limits.Burst)
	} else if d := now.Sub(b.at); d > 0 {
		b.tokens = min(float64(r.limits.Burst), b.tokens+d.Seconds()*float64(r.limits.Rate))
	}
	b.at = now
}

// forget drops the buckets that are full again: one that is not there is full.
func (r *rates) forget(now time.Time) {
	for i := range r.shard {
		s := &r.shard[i]
		s.mu.Lock()
		for from, b := range s.source {
			if r.fill(b, now); b.tokens >= float64(r.limits.Burst) {
				delete(s.source, from)
			}
		}
		s.mu.Unlock()
	}
}

func shardOf(a netip.Addr) int {
	b := a.As16()
	h := uint32(2166136261) // FNV-1a
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return int(h % shards)
}
