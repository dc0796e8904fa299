package turn

import (
	"time"

	"golang.org/x/sys/unix"
)

// instant is one moment on both clocks, to turn deadlines of one into the other's.
type instant struct {
	wall time.Time
	mono int64 // CLOCK_MONOTONIC, nanoseconds
}

// monotonic reads the clock that outlives the process but not the boot.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for this clock
	return t.Nano()
}

func (s *Server) instant() instant {
	return instant{wall: time.Now(), mono: s.mono()}
}

func (i instant) toMono(t time.Time) int64    { return i.mono + int64(t.Sub(i.wall)) }
func (i instant) fromMono(ns int64) time.Time { return i.wall.Add(time.Duration(ns - i.mono)) }
