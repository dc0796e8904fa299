// Package search finds the highest rate at which a device loses nothing worth
// mentioning (RFC 2544 section 26.1).
package search

import (
	"context"
	"fmt"
)

// Trial is what one try at a rate gave.
type Trial struct {
	Offered float64 // packets per second that were really sent
	Loss    float64 // share of them that did not arrive, 0 to 1
}

// Options bound a search.
type Options struct {
	Low, High float64 // packets per second to search between; nothing above High is tried
	MaxLoss   float64 // share that may be lost: 0.001
	Precision float64 // share of the rate to which it is found: 0.03
	// Attempts is how often a rate is tried that fails, or at which the source
	// offers less than it should: on a machine that others use too, neither may be
	// the device's fault. 0: once.
	Attempts int
}

// reached is the share of the rate that a source must offer not to be asked again.
const reached = .95

// NoDrop returns the highest offered rate of a trial that passed, 0 when none did.
// It halves the interval between the highest rate that passed and the lowest that
// failed. A source that is slower than the rate is no failure: what it offered counts.
func NoDrop(ctx context.Context, o Options, try func(ctx context.Context, rate float64) (Trial, error)) (float64, error) {
	if o.Low <= 0 || o.High < o.Low {
		return 0, fmt.Errorf("search between %.0f and %.0f packets/s: low must be positive and at most high", o.Low, o.High)
	}
	best := 0.0
	low, high := o.Low, o.High
	for rate := high; ; rate = (low + high) / 2 {
		passed, err := attempts(ctx, o, rate, try)
		if err != nil {
			return best, err
		}
		if passed > 0 {
			best, low = max(best, passed), rate
		} else {
			high = rate
		}
		if rate == o.High && passed > 0 || high-low <= o.Precision*high {
			return best, nil
		}
	}
}

// attempts returns what the best passing trial at the rate offered, 0 when none passed.
func attempts(ctx context.Context, o Options, rate float64, try func(context.Context, float64) (Trial, error)) (float64, error) {
	best := 0.0
	for range max(o.Attempts, 1) {
		t, err := try(ctx, rate)
		if err != nil {
			return 0, err
		}
		if t.Loss <= o.MaxLoss {
			best = max(best, t.Offered)
		}
		if best >= reached*rate {
			break
		}
	}
	return best, nil
}
