package turn

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// How many unauthenticated answers one source gets. A source whose requests then
// authenticate gets each of them back, so set-ups are never slowed however many
// come from one address; a forged source is sent this much and no more.
const (
	answerBurst     = 8192
	answerPerSecond = 100
)

// How many wrong passwords one source may try with one name.
const (
	guessBurst     = 100
	guessPerSecond = 10
)

// The tables are of a fixed size: a flood of forged sources must not cost memory.
const (
	limiterSets = 4096
	limiterWays = 4
)

// bucket is a token bucket that counts debt, so that a zero bucket is a full one.
type bucket struct {
	tag  uint64 // hash of whose it is; 0: free
	debt float64
	at   int64 // nanoseconds since the limiter's start
}

// limiter is a bounded table of token buckets. When a set is full, the bucket with
// the least debt is forgotten.
type limiter struct {
	burst, perSecond float64

	mu    sync.Mutex
	seed  maphash.Seed
	start time.Time
	sets  [][limiterWays]bucket
}

func newLimiter(burst, perSecond float64) *limiter {
	return &limiter{
		burst: burst, perSecond: perSecond,
		seed: maphash.MakeSeed(), start: time.Now(),
		sets: make([][limiterWays]bucket, limiterSets),
	}
}

// spend takes one token; false: there is none.
func (l *limiter) spend(tag uint64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(tag, now)
	if b.debt+1 > l.burst {
		return false
	}
	b.debt++
	return true
}

// refund gives one token back.
func (l *limiter) refund(tag uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.find(tag); b != nil {
		l.settle(b, now)
		b.debt = max(0, b.debt-1)
	}
}

// has reports whether there is a token, and takes none.
func (l *limiter) has(tag uint64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.find(tag)
	if b == nil {
		return true
	}
	l.settle(b, now)
	return b.debt+1 <= l.burst
}

// clear forgets all debt.
func (l *limiter) clear(tag uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.find(tag); b != nil {
		*b = bucket{}
	}
}

func (l *limiter) find(tag uint64) *bucket {
	set := &l.sets[tag/2%limiterSets] // the lowest bit is always set
	for i := range set {
		if set[i].tag == tag {
			return &set[i]
		}
	}
	return nil
}

// bucket finds the bucket or makes room for it.
func (l *limiter) bucket(tag uint64, now time.Time) *bucket {
	if b := l.find(tag); b != nil {
		l.settle(b, now)
		return b
	}
	set := &l.sets[tag/2%limiterSets]
	least := &set[0]
	for i := range set {
		l.settle(&set[i], now)
		if set[i].debt < least.debt {
			least = &set[i]
		}
	}
	*least = bucket{tag: tag, at: int64(now.Sub(l.start))}
	return least
}

func (l *limiter) settle(b *bucket, now time.Time) {
	at := int64(now.Sub(l.start))
	if at > b.at {
		b.debt = max(0, b.debt-l.perSecond*float64(at-b.at)/float64(time.Second))
		b.at = at
	}
}

// source is what an address is limited by: of IPv6 the /64, which is what one
// subscriber has at least.
func source(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64) // cannot fail: 64 fits IPv6
	return p.Addr()
}

// answerLimiter limits unauthenticated answers by source.
type answerLimiter struct{ *limiter }

func (l answerLimiter) tag(a netip.Addr) uint64 {
	return maphash.Comparable(l.seed, source(a)) | 1
}

func (l answerLimiter) spend(a netip.Addr, now time.Time) bool { return l.limiter.spend(l.tag(a), now) }
func (l answerLimiter) refund(a netip.Addr, now time.Time)     { l.limiter.refund(l.tag(a), now) }

// guessLimiter limits wrong passwords by source and name.
type guessLimiter struct{ *limiter }

func (l guessLimiter) tag(a netip.Addr, name string) uint64 {
	return (maphash.Comparable(l.seed, source(a)) ^ maphash.String(l.seed, name)) | 1
}

func (l guessLimiter) allowed(a netip.Addr, name string, now time.Time) bool {
	return l.has(l.tag(a, name), now)
}

func (l guessLimiter) wrong(a netip.Addr, name string, now time.Time) {
	l.limiter.spend(l.tag(a, name), now)
}

func (l guessLimiter) right(a netip.Addr, name string) { l.clear(l.tag(a, name)) }
