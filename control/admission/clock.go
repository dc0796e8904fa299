package admission

import (
	"sync/atomic"
	"time"
)

const (
	// serves is how long a reading of CLOCK_BOOTTIME serves, of running time.
	serves = 2 * time.Millisecond
	// slept is how much the wall clock may move against running time until that is taken for a sleep.
	slept = time.Millisecond
)

// reading is CLOCK_BOOTTIME together with what can be read without a system call.
type reading struct {
	at   time.Time // running time, and the wall clock's
	wall int64     // in ns
	boot time.Duration
}

// Served returns a clock that reads boot, CLOCK_BOOTTIME, only some times within a second of use and goes on from there by
// running time: a system call is most of what an admission would cost. A machine that slept is noticed by its wall clock,
// which jumps then: the next reading is anew. What is left is a sleep of less than a millisecond, and the wall clock being
// set back, while the machine sleeps, by as long as that took to a millisecond: then a lease may be used for 2 ms of running
// time after it has ended.
func Served(boot func() time.Duration) func() time.Duration {
	var last atomic.Pointer[reading]
	return func() time.Duration {
		now := time.Now()
		wall := now.UnixNano()
		if r := last.Load(); r != nil {
			ran := now.Sub(r.at)
			moved := time.Duration(wall-r.wall) - ran
			if ran >= 0 && ran < serves && moved < slept && moved > -slept {
				return r.boot + ran
			}
		}
		r := &reading{at: now, wall: wall, boot: boot()}
		last.Store(r)
		return r.boot
	}
}
