package xdp

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the clock of the program's times: CLOCK_MONOTONIC in nanoseconds.
func monotonic() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot fail on Linux; zero lets every lease run out
	}
	return uint64(ts.Nano())
}

// toMonotonic turns a time of this process into the program's clock.
func toMonotonic(t time.Time) uint64 {
	now, left := int64(monotonic()), int64(time.Until(t))
	if left > math.MaxInt64-now {
		return math.MaxInt64
	}
	return uint64(max(now+left, 0))
}

// fromMonotonic turns a time of the program's clock into one of this process.
func fromMonotonic(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(int64(ns) - int64(monotonic())))
}
