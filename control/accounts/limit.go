package accounts

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// rate is how many attempts are let through at once, and how soon one more is.
type rate struct {
	burst float64
	every time.Duration
}

// What may be tried. Known pairs of account and source are bound by their source only, so
// that nobody can shut an administrator out by guessing.
var (
	perSource  = rate{10, 30 * time.Second}
	perAccount = rate{20, 15 * time.Second}
	inAll      = rate{30, 200 * time.Millisecond} // what guessing from everywhere may cost the node
)

// slots is how many buckets there are. What falls into the same one shares it: the memory
// is bounded without a list that somebody could flood.
const slots = 4096

// limiter counts attempts in leaking buckets.
type limiter struct {
	seed maphash.Seed

	mu      sync.Mutex
	buckets [slots]bucket
}

type bucket struct {
	level float64
	at    time.Time
}

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed()} }

// take counts an attempt, or returns how long to wait before the next.
func (l *limiter) take(now time.Time, key string, r rate) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	b.leak(now, r)
	if b.level+1 > r.burst {
		return time.Duration((b.level + 1 - r.burst) * float64(r.every))
	}
	b.level++
	return 0
}

// giveBack uncounts an attempt that was right.
func (l *limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	b.level = max(b.level-1, 0)
}

func (l *limiter) bucket(key string) *bucket {
	return &l.buckets[maphash.String(l.seed, key)%slots]
}

func (b *bucket) leak(now time.Time, r rate) {
	if gone := now.Sub(b.at); gone > 0 {
		b.level = max(b.level-float64(gone)/float64(r.every), 0)
		b.at = now
	}
}

// source is where attempts come from: an IPv4 address, or the /64 that a host of IPv6 has.
func source(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}
