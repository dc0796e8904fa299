package rtp

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A pair is nobody else's until it was put back, rests while others are free, and comes
// back when there are none.
func TestPorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint16Range(36000, 36003).Draw(t, "first")
		last := first + rapid.Uint16Range(2, 12).Draw(t, "more")
		p, err := newPorts(first, last)
		if err != nil {
			t.Fatal(err)
		}
		all := len(p.free)
		now := time.Now()
		var mine []uint16
		put := map[uint16]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			if len(mine) > 0 && rapid.Bool().Draw(t, "put") {
				at := rapid.IntRange(0, len(mine)-1).Draw(t, "which")
				p.put(mine[at], now)
				put[mine[at]] = now
				mine = append(mine[:at], mine[at+1:]...)
				continue
			}
			port, err := p.take(now)
			if full := len(mine) == all; full != errors.Is(err, ErrNoPorts) {
				t.Fatalf("%d of %d taken: %v", len(mine), all, err)
			}
			if err != nil {
				continue
			}
			if port%2 != 0 || port < first || port+1 > last {
				t.Fatalf("port %d of %d–%d", port, first, last)
			}
			for _, other := range mine {
				if other == port {
					t.Fatalf("port %d is taken", port)
				}
			}
			if at, used := put[port]; used && now.Sub(at) < portRest && len(p.free) > 0 {
				t.Fatalf("port %d rested %v although %d are free", port, now.Sub(at), len(p.free))
			}
			mine = append(mine, port)
		}
		if p.taken != len(mine) {
			t.Fatalf("%d taken, want %d", p.taken, len(mine))
		}
	})
}

func TestPortRanges(t *testing.T) {
	for _, tt := range []struct {
		first, last uint16
		pairs       int // 0: refused
	}{
		{36000, 59999, 12000},
		{36001, 36004, 1},
		{36000, 36001, 1},
		{36001, 36002, 0},
		{36000, 36000, 0},
		{36001, 36000, 0},
		{80, 90, 0},
		{65534, 65535, 1},
		{0, 0, 0},
	} {
		p, err := newPorts(tt.first, tt.last)
		if (err != nil) != (tt.pairs == 0) || err == nil && len(p.free) != tt.pairs {
			t.Errorf("%d–%d: %v, %v", tt.first, tt.last, p, err)
		}
	}
}
