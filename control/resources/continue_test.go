package resources

import (
	"testing"
	"testing/synctest"
	"time"
)

// LI-06: who has waited at another peer waits for the rest here, and never so short that no answer can come. What it does
// before it waits here is no part of that.
func TestContinue(t *testing.T) {
	for name, tc := range map[string]struct {
		waited   time.Duration
		starting bool // the node has not been lent anything
		want     time.Duration
	}{
		"it has not":                {0, false, usualWait},
		"not for so little":         {-time.Second, false, usualWait},
		"a little":                  {300 * time.Millisecond, false, usualWait - 300*time.Millisecond},
		"nearly all":                {1400 * time.Millisecond, false, leastWait},
		"more than all":             {time.Hour, false, leastWait},
		"not, at a new node":        {0, true, firstWait},
		"nearly all, at a new node": {1400 * time.Millisecond, true, firstWait - 1400*time.Millisecond},
		"long, at a new node":       {5900 * time.Millisecond, true, leastWait},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newResources(t, nodeOf(t, twoSites), Deps{})
				r.Lend(running())
				if !tc.starting {
					r.Begin()
				}
				time.Sleep(firstWait) // it is not the first share that is waited for
				by := Waiter{Waited: tc.waited}
				time.Sleep(time.Second) // its place is looked up
				began, called := time.Now(), make(chan struct{})
				if !r.Await(&by, &Shortage{turn: r.awaiting.turn.Load()}, func() { close(called) }) {
					t.Fatal("it may not wait")
				}
				if <-called; time.Since(began) != tc.want {
					t.Errorf("it waits for %s, want %s", time.Since(began), tc.want)
				}
			})
		})
	}
}

// A request that has waited at another peer waits no longer because the first share comes meanwhile.
func TestContinueWhileItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources(t, nodeOf(t, twoSites), Deps{})
		lend(r, nil)
		by, began, called := Waiter{Waited: usualWait}, time.Now(), make(chan struct{})
		if !r.Await(&by, &Shortage{turn: r.awaiting.turn.Load()}, func() { close(called) }) {
			t.Fatal("it may not wait")
		}
		if <-called; time.Since(began) != leastWait {
			t.Errorf("it waits for %s", time.Since(began))
		}
	})
}
