package userspace

import "time"

// clock finds out a source's RTP clock from its timestamps.
type clock struct {
	first uint32 // timestamp
	since int64
	hz    uint32 // 0: not known yet
}

// The clocks that media use (RFC 3551, RFC 7587 and others).
var clockRates = [...]uint32{8000, 16000, 24000, 32000, 44100, 48000, 90000}

const (
	clockWindow    = int64(time.Second) // how long to look before deciding
	clockTolerance = 25                 // one part in so many: less than half the least gap
)

func (c *clock) start(timestamp uint32, now int64) {
	c.first, c.since = timestamp, now
}

func (c *clock) observe(timestamp uint32, now int64) {
	elapsed := now - c.since
	if c.hz != 0 || elapsed < clockWindow {
		return
	}
	ticks := int64(timestamp - c.first)
	c.hz = nearestRate(ticks * 1e6 / time.Duration(elapsed).Microseconds())
	c.start(timestamp, now)
}

// nearestRate returns the rate in use that is near enough, or 0.
func nearestRate(hz int64) uint32 {
	for _, r := range clockRates {
		if abs(hz-int64(r)) <= int64(r)/clockTolerance {
			return r
		}
	}
	return 0
}
