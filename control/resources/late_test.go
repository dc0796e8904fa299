package resources

import (
	"testing"
	"testing/synctest"
	"time"
)

// BW-05, LI-06: the cluster's word that there is no more refuses whom it called, however late it comes; who is short of
// something else waits on, and so does everybody when some has come since, or when the word was about nothing that it waited for.
func TestDenialRefusesWhoIsLate(t *testing.T) {
	for name, tc := range map[string]struct {
		late   time.Duration
		denied string
		then   func(*Resources)
		want   bool // it waits again
	}{
		"in time":            {0, "pipe L", func(*Resources) {}, false},
		"its shard was busy": {DeniedRest, "pipe L", func(*Resources) {}, false},
		"another part":       {DeniedRest, "room", func(*Resources) {}, true},
		"some has come":      {DeniedRest, "pipe L", func(r *Resources) { r.Raise("pipe L", 100) }, true},
		"of something else":  {DeniedRest, "pipe L", func(r *Resources) { r.Lower("rms", 0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := shorts{}
				r := newResources(t, nodeOf(t, twoSites), Deps{Ledger: told})
				lend(r, map[string]uint32{"pipe L": 0, "rms": 2, "room": 0})
				call := one(through(phone("Lisbon"), guest("World"), 800))
				call.Patient = true
				var w, other Waiter
				called := false
				_, err := r.Admit("1", call)
				if !r.Await(&w, shortage(t, err), func() { called = true }) {
					t.Fatal("it may not wait")
				}
				r.Denied(tc.denied, time.Now().Add(-2*DeniedRest)) // an old word
				if r.Wake(); !called {
					t.Fatal("it is not called")
				}
				time.Sleep(tc.late)
				tc.then(r)
				_, err = r.Admit("1", call)
				again := shortage(t, err)
				if got := r.Await(&w, again, func() {}); got != tc.want {
					t.Errorf("it waits again: %t", got)
				}
				if got := r.Waited().InVain; (got == 1) == tc.want {
					t.Errorf("%d waited in vain", got)
				}
				if _, err = r.Admit("2", call); !r.Await(&other, shortage(t, err), func() {}) {
					t.Error("one that has just come does not wait")
				}
				w.Stop()
				other.Stop()
			})
		})
	}
}
