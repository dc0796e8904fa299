package pooling

import (
	"testing"
	"testing/synctest"
	"time"
)

// BW-05: what is less than a call for each is left where it is: who wants all of it has it after one round.
func TestNothingIsSharedOutInCrumbs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, 4, 40*time.Millisecond, halves(100))
		r.run(3 * time.Second)
		var held []*asking
		for range 8 {
			r.nodes[0].ask(call("Porto", 500), func(a *asking) { held = append(held, a) })
			r.run(2 * time.Second)
		}
		if _, kbps := r.sum("pipe Porto"); len(held) != 8 || kbps != 4000 {
			t.Fatalf("%d calls use %d kbit/s of 4000", len(held), kbps)
		}
		held[0].grant.Release()
		r.nodes[0].ask(call("Porto", 300), func(*asking) {}) // 200 are left, of four peers
		r.run(3 * time.Second)
		for i, p := range r.nodes[1:] {
			if part, _ := p.resources.Part("pipe Porto"); part.Ceiling != 0 {
				t.Errorf("peer %d has %d kbit/s, and no call", i+1, part.Ceiling)
			}
		}
		var last *asking
		r.nodes[1].ask(call("Porto", 200), func(a *asking) { last = a })
		r.run(2 * time.Second)
		if last == nil || last.refused != nil || last.took > 400*time.Millisecond {
			t.Errorf("%+v", last)
		}
	})
}
