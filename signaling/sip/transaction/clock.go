package transaction

import (
	"time"

	"turnpike.dev/turnpike/signaling/shard"
)

// clock paces a transaction: when to send again, at intervals that grow, and when to give up. One timer
// does for both.
type clock struct {
	timer *shard.Timer
	on    bool
	step  time.Duration // until the next time to send again; 0: there is none
	top   time.Duration // longest step
	end   time.Time
}

// begin starts the clock anew. tick is called whenever it goes off.
func (c *clock) begin(s *shard.Shard, step, top, total time.Duration, tick func()) {
	now := s.Now()
	c.on, c.step, c.top, c.end = true, step, top, now.Add(total)
	if c.timer == nil {
		c.timer = s.After(c.wait(now), tick)
		return
	}
	c.timer.Reset(c.wait(now))
}

func (c *clock) stop() {
	c.on = false
	c.timer.Stop()
}

// wait is how long until the clock goes off.
func (c *clock) wait(now time.Time) time.Duration {
	left := c.end.Sub(now)
	if c.step > 0 && c.step < left {
		return c.step
	}
	return left
}

// tick says what the clock went off for.
func (c *clock) tick(now time.Time) event {
	if !now.Before(c.end) {
		c.on = false
		return timeout
	}
	c.step = min(2*c.step, c.top)
	return resend
}

// again sets the timer for the next time, unless the clock was stopped meanwhile.
func (c *clock) again(now time.Time) {
	if c.on {
		c.timer.Reset(c.wait(now))
	}
}
