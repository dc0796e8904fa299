package admission

import (
	"sync/atomic"
	"time"
)

// Lease is how long ceilings may be used that a cluster lends: whoever was cut off from it must not use
// what others have been given meanwhile (LI-06).
type Lease struct {
	now   func() time.Duration
	until atomic.Int64
}

// NewLease returns a lease that is over. now reads CLOCK_BOOTTIME, so that it ends while a machine sleeps.
func NewLease(now func() time.Duration) *Lease {
	l := &Lease{now: now}
	l.until.Store(-1)
	return l
}

// Extend lets it run until a reading of the clock. It is never made shorter.
func (l *Lease) Extend(until time.Duration) {
	for {
		was := l.until.Load()
		if int64(until) <= was || l.until.CompareAndSwap(was, int64(until)) {
			return
		}
	}
}

// Runs says whether it is not over.
func (l *Lease) Runs() bool { return int64(l.now()) <= l.until.Load() }

// Lend lets the ceiling be used only while a lease runs; nil: always. What is in use stays.
func (c *Counter) Lend(l *Lease) { c.lease.Store(l) }

// Usable returns how much may still be taken, and whether anything may be now: the lease may be over.
func (c *Counter) Usable() (left uint32, now bool) {
	l := c.lease.Load()
	return c.Left(), l == nil || l.Runs()
}

// Look looks at counters of one moment: it reads the clock of their lease once for all. The zero value is ready, and of one
// goroutine.
type Look struct{ runs, over *Lease }

// Usable is Counter.Usable.
func (k *Look) Usable(c *Counter) (left uint32, now bool) { return c.Left(), k.may(c.lease.Load()) }

// may says whether what a lease is of may be taken.
func (k *Look) may(l *Lease) bool {
	switch {
	case l == nil || l == k.runs:
		return true
	case l == k.over:
		return false
	case l.Runs():
		k.runs = l
		return true
	}
	k.over = l
	return false
}

// over returns the first counter of a demand that must not be taken from now.
func over(demand []Amount) *Counter {
	var look Look
	for _, d := range demand {
		if d.N > 0 && !look.may(d.Of.lease.Load()) {
			return d.Of
		}
	}
	return nil
}
