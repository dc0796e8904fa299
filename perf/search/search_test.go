package search

import (
	"context"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// device loses what comes above its capacity.
func device(capacity float64, tried *int) func(context.Context, float64) (Trial, error) {
	return func(_ context.Context, rate float64) (Trial, error) {
		*tried++
		return Trial{Offered: rate, Loss: max(0, 1-capacity/rate)}, nil
	}
}

func TestNoDropFindsCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.Float64Range(1000, 1e7).Draw(t, "capacity")
		tried := 0
		o := Options{Low: 100, High: 1e7, MaxLoss: .001, Precision: .01}
		got, err := NoDrop(context.Background(), o, device(capacity, &tried))
		if err != nil {
			t.Fatal(err)
		}
		if got > capacity/.999 || got < capacity*.989 {
			t.Errorf("found %.0f of %.0f", got, capacity)
		}
		if limit := 2 + int(math.Log2(1e7/(.01*capacity))); tried > limit {
			t.Errorf("%d trials, more than %d", tried, limit)
		}
	})
}

func TestNoDrop(t *testing.T) {
	o := Options{Low: 1000, High: 100000, MaxLoss: .001, Precision: .01}
	t.Run("nothing lost at the highest rate", func(t *testing.T) {
		tried := 0
		if got, err := NoDrop(context.Background(), o, device(1e6, &tried)); got != 100000 || err != nil || tried != 1 {
			t.Errorf("got %.0f, %v after %d trials", got, err, tried)
		}
	})
	t.Run("lost at any rate", func(t *testing.T) {
		tried := 0
		if got, err := NoDrop(context.Background(), o, device(1, &tried)); got != 0 || err != nil {
			t.Errorf("got %.0f, %v", got, err)
		}
	})
	t.Run("by ratio, far below the highest rate", func(t *testing.T) {
		tried := 0
		o := Options{Low: 1000, High: 3e6, MaxLoss: .001, Precision: .25, Geometric: true}
		if got, err := NoDrop(context.Background(), o, device(5000, &tried)); got > 5005 || got < 3700 || err != nil || tried > 8 {
			t.Errorf("got %.0f, %v after %d trials", got, err, tried)
		}
	})
	t.Run("source too slow", func(t *testing.T) {
		got, err := NoDrop(context.Background(), o, func(_ context.Context, rate float64) (Trial, error) {
			return Trial{Offered: min(rate, 50000)}, nil
		})
		if got != 50000 || err != nil {
			t.Errorf("got %.0f, %v", got, err)
		}
	})
	t.Run("a rate that fails the second time has failed", func(t *testing.T) {
		n := 0
		o := o
		o.Confirm = 2
		got, err := NoDrop(context.Background(), o, func(_ context.Context, rate float64) (Trial, error) {
			n++
			return Trial{Offered: rate, Loss: float64((n + 1) % 2)}, nil
		})
		if got != 0 || err != nil {
			t.Errorf("got %.0f, %v", got, err)
		}
	})
	t.Run("a slow source is asked again", func(t *testing.T) {
		n := 0
		o := o
		o.Retries = 1
		got, err := NoDrop(context.Background(), o, func(_ context.Context, rate float64) (Trial, error) {
			n++
			return Trial{Offered: rate * float64(n) / 2}, nil
		})
		if got != 100000 || err != nil || n != 2 {
			t.Errorf("got %.0f, %v after %d trials", got, err, n)
		}
	})
	t.Run("error of a trial", func(t *testing.T) {
		broken := errors.New("broken")
		_, err := NoDrop(context.Background(), o, func(context.Context, float64) (Trial, error) { return Trial{}, broken })
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("bad bounds", func(t *testing.T) {
		if _, err := NoDrop(context.Background(), Options{Low: 2, High: 1}, nil); err == nil {
			t.Error("no error")
		}
	})
}
