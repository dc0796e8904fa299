package resources

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

// pool notes what is offered.
type pool struct{ last Offer }

func (p *pool) Offer(o Offer) { p.last = o }

func (p *pool) Cause(Unmet) Cause { return UsedUp }

// LI-01, LI-06: licences that are lent are the cluster's: what configuration and keys say goes to the pool, what may
// be used here is what the ledger gives, for as long as its lease runs, and levels are the cluster's.
func TestLicencesAreLent(t *testing.T) {
	n := nodeOf(t, custom)
	r := newResources(t, n, Deps{})
	var b pool
	r.Share(&b)
	brings := func() map[string]uint32 { return b.last.Brings }
	if brings()[LevelRMS] == 0 || brings()[LevelRoom] == 0 {
		t.Fatalf("it brings %v", brings())
	}
	seats := r.Registrations()
	seats.Keep(licensing.Desktop, 2, false)
	var now atomic.Int64
	lease := admission.NewLease(func() time.Duration { return time.Duration(now.Load()) })
	if seats.Take(false, registrations.Seat{Device: licensing.Desktop, Aliases: 1}) != nil {
		t.Error("no licence of the node's own while none is lent")
	}
	seats.Give(licensing.Desktop, 1, false)
	if used := r.Lend(lease); used[LevelDesktop] != 2 {
		t.Errorf("%v is in use", used)
	}
	if has := desktops(r); has != (Shared{2, 2}) {
		t.Errorf("it lends %v before it was given anything", has)
	}
	r.Raise(LevelDesktop, 5)
	if !errors.Is(seats.Take(false, registrations.Seat{Device: licensing.Desktop, Aliases: 1}), registrations.ErrLicence) {
		t.Error("a licence before the lease runs")
	}
	lease.Extend(time.Second)
	if seats.Take(false, registrations.Seat{Device: licensing.Desktop, Aliases: 1}) != nil {
		t.Error("no licence of those that were given")
	}
	if err := r.Change(n, licensing.Installed{Keyed: true, Pool: licensing.Pool{Desktop: 7}}); err != nil {
		t.Fatal(err)
	}
	if brings()[LevelDesktop] != 7 || desktops(r) != (Shared{5, 3}) {
		t.Errorf("after a change it brings %v and has %v", brings(), desktops(r))
	}
	now.Store(int64(2 * time.Second))
	if !errors.Is(seats.Take(false, registrations.Seat{Device: licensing.Desktop, Aliases: 1}), registrations.ErrLicence) {
		t.Error("a licence after the lease has ended")
	}
	if to := r.Lower(LevelDesktop, 0); to != 3 {
		t.Errorf("lowered to %d while 3 are in use", to)
	}
	r.Whole(map[string]InCluster{LevelDesktop: {Shared: Shared{Ceiling: 100, Used: 20}}})
	for _, l := range r.Levels() {
		if l.Name == LevelDesktop && (l.Used != 23 || l.Limit != 100) {
			t.Errorf("%+v of the cluster", l)
		}
	}
}

func desktops(r *Resources) Shared {
	p, _ := r.Part(LevelDesktop)
	return p.Shared
}

// LI-06: who is refused what a ledger lends is called when there may be more, once, or when its time is over; it
// is not held where nobody lends, or too many are.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources(t, nodeOf(t, custom), Deps{})
		var called atomic.Int64
		await := func(w *Waiter) bool {
			return r.Await(w, &Shortage{turn: r.awaiting.turn.Load()}, func() { called.Add(1) })
		}
		if await(&Waiter{}) {
			t.Error("held where the licences are the node's own")
		}
		r.Lend(admission.NewLease(func() time.Duration { return 0 }))
		r.Begin()
		if await(&Waiter{Since: time.Now().Add(-firstWait)}) {
			t.Error("held though its time is over")
		}
		all := make([]Waiter, maxAwaiting)
		for i := range all {
			if !await(&all[i]) {
				t.Fatal("not held")
			}
		}
		if await(&Waiter{}) {
			t.Error("more are held than may be")
		}
		if !await(&all[0]) {
			t.Error("one that was held is not any more because it asked again")
		}
		all[1].Stop()
		all[1].Stop()
		if !await(&Waiter{}) {
			t.Error("not held when another was stopped")
		}
		r.Wake()
		r.Wake()
		if n := called.Load(); n != maxAwaiting {
			t.Errorf("%d were called", n)
		}
		if !await(&all[1]) {
			t.Fatal("not held when the others were called")
		}
		time.Sleep(2 * time.Second)
		if n := called.Load(); n != maxAwaiting+1 {
			t.Errorf("%d were called when their time was over", n)
		}
		if await(&all[1]) {
			t.Error("it waits for longer than it may")
		}
		want := Waited{Requests: maxAwaiting + 1, InVain: 1, For: usualWait} // with that in between, which was at no time
		if diff := cmp.Diff(want, r.Waited()); diff != "" {
			t.Error(diff)
		}
	})
}
