package resources

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/licensing"
)

type brought map[string]uint32

func (b *brought) Brings(n map[string]uint32) { *b = n }

// LI-01, LI-06: licences that are lent are the cluster's: what configuration and keys say goes to the pool, what may
// be used here is what the ledger gives, for as long as its lease runs, and levels are the cluster's.
func TestLicencesAreLent(t *testing.T) {
	n := nodeOf(t, custom)
	r := newResources(t, n, Deps{})
	var b brought
	r.Share(&b)
	if b[LevelRMS] == 0 || b[LevelRoom] == 0 {
		t.Fatalf("it brings %v", b)
	}
	registrations := r.Registrations()
	registrations.Keep(licensing.Desktop, 2, false)
	var now atomic.Int64
	lease := admission.NewLease(func() time.Duration { return time.Duration(now.Load()) })
	r.Raise(LevelDesktop, 1)
	if place, ok := registrations.Take(licensing.Desktop, 1, false); !place || !ok {
		t.Error("no licence of the node's own while none is lent")
	}
	registrations.Give(licensing.Desktop, 1, false)
	r.Lend(lease, map[string]uint32{LevelDesktop: 2})
	r.Raise(LevelDesktop, 5)
	if _, ok := registrations.Take(licensing.Desktop, 1, false); ok {
		t.Error("a licence before the lease runs")
	}
	lease.Extend(time.Second)
	if place, ok := registrations.Take(licensing.Desktop, 1, false); !place || !ok {
		t.Error("no licence of those that were given")
	}
	if err := r.Change(n, licensing.Installed{Keyed: true, Pool: licensing.Pool{Desktop: 7}}); err != nil {
		t.Fatal(err)
	}
	if b[LevelDesktop] != 7 || r.Licences()[LevelDesktop] != (Shared{5, 3}) {
		t.Errorf("after a change it brings %v and has %v", b, r.Licences())
	}
	now.Store(int64(2 * time.Second))
	if _, ok := registrations.Take(licensing.Desktop, 1, false); ok {
		t.Error("a licence after the lease has ended")
	}
	if to := r.Lower(LevelDesktop, 0); to != 3 {
		t.Errorf("lowered to %d while 3 are in use", to)
	}
	r.Whole(map[string]Shared{LevelDesktop: {Ceiling: 100, Used: 20}})
	for _, l := range r.Levels() {
		if l.Name == LevelDesktop && (l.Used != 23 || l.Limit != 100) {
			t.Errorf("%+v of the cluster", l)
		}
	}
}

// LI-06: who is refused what a ledger lends is called when there may be more, once, or when its time is over; it
// is not held where nobody lends, or too many are.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources(t, nodeOf(t, custom), Deps{})
		var called atomic.Int64
		again := func() { called.Add(1) }
		soon := time.Now
		if r.Await(soon(), again) {
			t.Error("held where the licences are the node's own")
		}
		r.Lend(admission.NewLease(func() time.Duration { return 0 }), nil)
		if r.Await(time.Now().Add(-firstWait), again) {
			t.Error("held though its time is over")
		}
		for range maxAwaiting {
			if !r.Await(soon(), again) {
				t.Fatal("not held")
			}
		}
		if r.Await(soon(), again) {
			t.Error("more are held than may be")
		}
		r.Wake()
		r.Wake()
		if n := called.Load(); n != maxAwaiting {
			t.Errorf("%d were called", n)
		}
		if !r.Await(soon(), again) {
			t.Fatal("not held when the others were called")
		}
		time.Sleep(2 * time.Second)
		if n := called.Load(); n != maxAwaiting+1 {
			t.Errorf("%d were called when their time was over", n)
		}
	})
}
