package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhenMemoryIsGivenBack(t *testing.T) {
	const little, much = quietRate / 2, 2 * quietRate
	for name, c := range map[string]struct {
		each func(second int) uint64 // bytes allocated in it
		want []int                   // seconds
	}{
		"after the start, and when its memory is over": {
			each: func(s int) uint64 {
				if s == 0 {
					return 10 * burst
				}
				return 0
			},
			want: []int{1, 34},
		},
		"never while there is much to do": {each: func(int) uint64 { return much }},
		"now and then where little is done": {
			each: func(int) uint64 { return little },
			want: []int{15, 31, 47, 63, 79},
		},
		"once after a burst, and again": {
			each: func(s int) uint64 {
				if 20 <= s && s < 40 {
					return much
				}
				return 0
			},
			want: []int{40, 73},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var g giving
			var got []int
			var allocated uint64
			for s := range 90 {
				allocated += c.each(s)
				if g.due(time.Unix(int64(s), 0), allocated) {
					got = append(got, s)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
