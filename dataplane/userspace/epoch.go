package userspace

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// epoch is when the relay's own time begins, which is in nanoseconds: an int64 is
// cheaper to store and compare than a time.Time.
type epoch struct {
	start     time.Time
	monotonic int64 // the same on CLOCK_MONOTONIC
}

func newEpoch(start time.Time) (epoch, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return epoch{}, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return epoch{start, ts.Nano()}, nil
}

func (e epoch) ticks(t time.Time) int64 { return int64(t.Sub(e.start)) }
