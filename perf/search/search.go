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
	// Attempts is how often a rate that fails is tried before it counts as failed:
	// on a machine that others use too, a loss may not be the device's. 0: once.
	Attempts int
	// Reached is the share of the rate that a trial must have offered, or the
	// source and not the device failed: 0.95.
	Reached float64
}

// NoDrop returns the highest offered rate of a trial that passed, 0 when none did.
// It halves the interval between the highest rate that passed and the lowest that
// failed.
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

// attempts returns what a passing trial at the rate offered, 0 when none passed.
func attempts(ctx context.Context, o Options, rate float64, try func(context.Context, float64) (Trial, error)) (float64, error) {
	for range max(o.Attempts, 1) {
		t, err := try(ctx, rate)
		if err != nil {
			return 0, err
		}
		if t.Loss <= o.MaxLoss && t.Offered >= o.Reached*rate {
			return t.Offered, nil
		}
	}
	return 0, nil
}
