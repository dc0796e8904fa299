package count

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		counts map[int]uint64
		q      float64
		want   time.Duration
	}{
		{"empty", nil, .5, 0},
		{"exact values", map[int]uint64{3: 1, 7: 1}, .4, 3},
		{"exact values, upper half", map[int]uint64{3: 1, 7: 1}, .5, 7},
		{"first bucket of two", map[int]uint64{32: 1}, .99, 33},
		{"1000 ns lies in 992 to 1023", map[int]uint64{16*6 + 15: 10}, .5, 1023},
		{"maximum", map[int]uint64{10: 1000, 11: 1}, 1, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h Histogram
			for bucket, n := range tt.counts {
				h.counts[bucket] = n
			}
			if got := h.Quantile(tt.q); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
