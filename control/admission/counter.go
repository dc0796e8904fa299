package admission

import (
	"fmt"
	"math"
	"sync/atomic"
)

// Unlimited is the ceiling of a counter that only counts.
const Unlimited = math.MaxUint32

// Counter is how much of something is in use, and how much may be. Both stand in one word,
// so that no order of events admits more than the ceiling of that moment: use and ceiling
// cannot be read apart.
type Counter struct {
	name string
	word atomic.Uint64 // ceiling in the upper half, use in the lower
	// lease is how long the ceiling may be used; nil: always.
	lease atomic.Pointer[Lease]
}

// NewCounter returns a counter with a ceiling. The name is for people.
func NewCounter(name string, ceiling uint32) *Counter {
	c := &Counter{name: name}
	c.word.Store(pack(ceiling, 0))
	return c
}

func pack(ceiling, used uint32) uint64 { return uint64(ceiling)<<32 | uint64(used) }

func unpack(w uint64) (ceiling, used uint32) { return uint32(w >> 32), uint32(w) }

// Name returns what the counter counts.
func (c *Counter) Name() string { return c.name }

// Read returns ceiling and use of one moment.
func (c *Counter) Read() (ceiling, used uint32) { return unpack(c.word.Load()) }

// Left returns how much may still be taken, 0 when use is over the ceiling.
func (c *Counter) Left() uint32 {
	ceiling, used := c.Read()
	return ceiling - min(used, ceiling)
}

// take adds to the use, if that stays within the ceiling.
func (c *Counter) take(n uint32) bool {
	for {
		w := c.word.Load()
		ceiling, used := unpack(w)
		if uint64(used)+uint64(n) > uint64(ceiling) {
			return false
		}
		if c.word.CompareAndSwap(w, pack(ceiling, used+n)) {
			return true
		}
	}
}

// keep adds to the use whatever the ceiling is, if the counter holds so much.
func (c *Counter) keep(n uint32) bool {
	for {
		w := c.word.Load()
		ceiling, used := unpack(w)
		if uint64(used)+uint64(n) > math.MaxUint32 {
			return false
		}
		if c.word.CompareAndSwap(w, pack(ceiling, used+n)) {
			return true
		}
	}
}

// give takes away from the use. More than there is would be a fault of the caller that
// must not go on unseen: it would admit calls without end.
func (c *Counter) give(n uint32) {
	for {
		w := c.word.Load()
		ceiling, used := unpack(w)
		if n > used {
			panic(fmt.Sprintf("admission: %d of %s given back, %d in use", n, c.name, used))
		}
		if c.word.CompareAndSwap(w, pack(ceiling, used-n)) {
			return
		}
	}
}

// Set moves the ceiling to what configuration says. Calls that are admitted stay, also
// over it: until enough of them have ended nothing is admitted.
func (c *Counter) Set(ceiling uint32) {
	for {
		w := c.word.Load()
		_, used := unpack(w)
		if c.word.CompareAndSwap(w, pack(ceiling, used)) {
			return
		}
	}
}

// Shrink lowers the ceiling towards a value, as far as nothing is in use, and returns the
// ceiling as it is then. What a node gives up so, nobody here can take any more when it
// returns: it may be promised to another.
func (c *Counter) Shrink(to uint32) (ceiling uint32) {
	for {
		w := c.word.Load()
		now, used := unpack(w)
		next := min(now, max(to, used))
		if c.word.CompareAndSwap(w, pack(next, used)) {
			return next
		}
	}
}

// Close sets the ceiling to what is in use, and returns that: nothing more is taken.
func (c *Counter) Close() (ceiling uint32) {
	for {
		w := c.word.Load()
		_, used := unpack(w)
		if c.word.CompareAndSwap(w, pack(used, used)) {
			return used
		}
	}
}

// Grow raises the ceiling by n.
func (c *Counter) Grow(n uint32) {
	for {
		w := c.word.Load()
		now, used := unpack(w)
		next := uint32(min(uint64(now)+uint64(n), Unlimited))
		if c.word.CompareAndSwap(w, pack(next, used)) {
			return
		}
	}
}
