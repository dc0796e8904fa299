// Package search finds the highest rate at which a device loses nothing worth
// mentioning (RFC 2544 section 26.1).
package search

import (
	"context"
	"fmt"
	"math"
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
	// Geometric halves the interval by ratio, for rates of unknown magnitude.
	Geometric bool
	// Confirm is how many trials at a rate must pass, one after the other. 0: one.
	Confirm int
	// Retries is how often a trial is repeated in which the source offered less than
	// it should, as on a machine that others use too. After that what it offered counts.
	Retries int
}

// reached is the share of the rate that a source must offer.
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
	for rate := high; ; rate = o.middle(low, high) {
		passed, err := passes(ctx, o, rate, try)
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

func (o Options) middle(low, high float64) float64 {
	if o.Geometric {
		return math.Sqrt(low * high)
	}
	return (low + high) / 2
}

// passes returns what the trials at the rate offered on average, 0 when one failed.
func passes(ctx context.Context, o Options, rate float64, try func(context.Context, float64) (Trial, error)) (float64, error) {
	trials := max(o.Confirm, 1)
	retries, sum := o.Retries, 0.0
	for confirmed := 0; confirmed < trials; {
		t, err := try(ctx, rate)
		if err != nil {
			return 0, err
		}
		if t.Loss > o.MaxLoss {
			return 0, nil
		}
		if t.Offered < reached*rate && retries > 0 {
			retries--
			continue
		}
		sum += t.Offered
		confirmed++
	}
	return sum / float64(trials), nil
}
