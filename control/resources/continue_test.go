package resources

import (
	"testing"
	"testing/synctest"
	"time"
)

// LI-06: who has waited at another peer waits for the rest here, and never so short that no answer can come.
func TestContinue(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		0:                       usualWait,
		300 * time.Millisecond:  usualWait - 300*time.Millisecond,
		1400 * time.Millisecond: leastWait,
		time.Hour:               leastWait,
		-time.Second:            usualWait,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newResources(t, nodeOf(t, twoSites), Deps{})
			lend(r, map[string]uint32{"rms": 0})
			time.Sleep(firstWait) // the node has not just begun
			call := one(through(phone("Lisbon"), guest("World"), 800))
			call.Patient = true
			by := Continue(waited)
			_, err := r.Admit("1", call)
			began, called := time.Now(), make(chan struct{})
			if !r.Await(&by, shortage(t, err), func() { close(called) }) {
				t.Fatalf("after %s it may not wait", waited)
			}
			if <-called; time.Since(began) != want {
				t.Errorf("after %s it waits for %s, want %s", waited, time.Since(began), want)
			}
		})
	}
}
