package gen

import (
	"context"
	"time"
)

const (
	// pulseRate is how fast a steady generator sends when it does. It spins on a CPU while
	// it runs, so it does its work in a part of the time and leaves the rest.
	pulseRate = 1_000_000
	pulse     = 40 * time.Millisecond // at most
	// forgiven is how much of a delay is not made up for.
	forgiven = time.Second
)

// Steady keeps up a rate far below what the generator can with pulses, until ctx ends,
// and tells of each how many packets it sent. Each takes about 25 ms more than it says, in
// which the kernel waits.
func (g *Generator) Steady(ctx context.Context, rate float64, cpu int, sent func(packets uint64)) error {
	due := time.Now() // the time up to which everything is sent
	for ctx.Err() == nil {
		now := time.Now()
		if now.Sub(due) > forgiven {
			due = now.Add(-forgiven)
		}
		length := min(time.Duration(float64(now.Sub(due))*rate/pulseRate), pulse)
		r, err := g.Run(ctx, Load{Rate: pulseRate, Duration: max(length, time.Millisecond), CPU: cpu})
		if err != nil {
			return err
		}
		sent(r.Sent)
		due = due.Add(time.Duration(float64(r.Sent) / rate * float64(time.Second)))
	}
	return nil
}
