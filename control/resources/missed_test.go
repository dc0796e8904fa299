package resources

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

// CA-01, LI-06: the node's own places may go while it is looked what peers may have: nobody waits for those.
func TestOwnPlacesGoMeanwhile(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	lend(r, map[string]uint32{"rms": 0})
	own := admission.Amount{Of: r.limits.calls, N: r.limits.calls.Left()}
	at := 0
	lease := admission.NewLease(func() time.Duration { // it is read whenever something lent is looked at
		if at--; at == 0 {
			r.admission.Keep(own)
		}
		return 0
	})
	lease.Extend(time.Hour)
	for _, p := range r.Parts() {
		r.lending.parts[p.Name].counter.Lend(lease)
	}
	call := one(through(phone("Lisbon"), guest("World"), 800))
	call.Patient = true
	for at = 1; ; {
		from := at
		_, err := r.Admit("1", call)
		if got := refusal(t, err); got.Waits == nil && got.Why != OverCapacity {
			t.Errorf("after %d looks: %v", from, got)
		}
		if at > 0 {
			break // it is not looked as often
		}
		r.admission.Give(own)
		at = from + 1
	}
}

// bursting is a ledger with a fault.
type bursting struct{}

func (bursting) Short(*admission.Counter, uint32) { panic("a fault") }

// A decision that ends by a fault is no reason for all others to wait for ever.
func TestFaultLeavesNothingLocked(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{Ledger: bursting{}})
	lend(r, map[string]uint32{"rms": 0})
	call := one(through(phone("Lisbon"), guest("World"), 800))
	for _, call.Patient = range []bool{false, true} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the ledger was not told")
				}
			}()
			_, _ = r.Admit("1", call)
		}()
		if !r.changing.TryLock() {
			t.Fatal("it is locked")
		}
		r.changing.Unlock()
	}
}

// LI-06: the cluster's word may come between a refusal and Await: nobody waits then for one that was given already, and
// nobody else is called.
func TestWordBeforeAwait(t *testing.T) {
	call := one(through(phone("Lisbon"), guest("World"), 800))
	call.Patient = true
	for name, ask := range map[string]func(*Resources) error{
		"a call": func(r *Resources) error { _, err := r.Admit("1", call); return err },
		"a registration": func(r *Resources) error {
			return r.Registrations().Take(true, registrations.Seat{Aliases: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newResources(t, nodeOf(t, twoSites), Deps{})
				lend(r, map[string]uint32{"rms": 0, "room": 0})
				var calling sync.Mutex // guards called
				var called []string
				await := func(who string, of *Shortage) {
					t.Helper()
					if !r.Await(&Waiter{}, of, func() {
						calling.Lock()
						defer calling.Unlock()
						called = append(called, who)
					}) {
						t.Error("it may not wait")
					}
				}
				is := func(when string, want ...string) {
					t.Helper()
					time.Sleep(soon)
					synctest.Wait()
					calling.Lock()
					defer calling.Unlock()
					slices.Sort(called)
					if diff := cmp.Diff(want, called); diff != "" {
						t.Errorf("%s, called (-want +got):\n%s", when, diff)
					}
					called = nil
				}
				early, late := shortage(t, ask(r)), shortage(t, ask(r))
				await("early", early)
				is("nobody has spoken")
				r.Wake()
				await("late", late)
				await("new", shortage(t, ask(r)))
				is("between the refusal and the wait of one", "early", "late")
				time.Sleep(usualWait)
				is("its time is over", "new")
				_ = ask(r) // and does not wait
				r.Wake()
				await("another", shortage(t, ask(r)))
				is("of another's refusal")
				time.Sleep(usualWait)
				is("in the end", "another")
			})
		})
	}
}

// LI-06: who is cut off has not been told that there is no more, whatever was said before.
func TestDeniedAndCutOff(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	lend(r, map[string]uint32{"pipe L": 0})
	over := admission.NewLease(func() time.Duration { return 0 })
	r.Denied("pipe L", time.Now())
	call := one(way(phone("Lisbon"), phone("DefaultSubZone"), 800))
	call.Patient = true
	if _, err := r.Admit("1", call); refusal(t, err).Waits != nil {
		t.Error("there is no more, and it waits")
	}
	for _, p := range r.Parts() {
		r.lending.parts[p.Name].counter.Lend(over)
	}
	if _, err := r.Admit("1", call); refusal(t, err).Waits == nil {
		t.Error("it is refused for good")
	}
	if diff := cmp.Diff(map[string]uint64{"pipe L": 1}, refusals(r)); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

// BW-03, CA-02: what one call may not have is no want, and what this node carries itself is none of what is shared.
func TestOnlyWantIsCounted(t *testing.T) {
	n := nodeOf(t, twoSites, custom, "cluster_redundancy: 4+1\nbandwidth: {downspeed_per_call: off, downspeed_total: off}\n")
	n.Cluster.Peers = make([]string, 5)
	r := newResources(t, n, Deps{})
	lend(r, nil)
	is := func(when string, w Want, why Why, want map[string]uint64) {
		t.Helper()
		_, err := r.Admit("1", w)
		if got := refusal(t, err); got.Why != why {
			t.Errorf("%s: %v", when, got)
		}
		if diff := cmp.Diff(want, refusals(r)); diff != "" {
			t.Errorf("%s: refused (-want +got):\n%s", when, diff)
		}
	}
	line := func(kbps uint32) Want { return one(way(phone("Lisbon"), phone("DefaultSubZone"), kbps)) }
	is("one call may have 1000", line(1500), OverPerCall, map[string]uint64{})
	r.Lower("pipe L", 0)
	want := map[string]uint64{"pipe L": 1}
	is("the pipe has none", line(800), OverTotal, want)
	r.Raise("pipe L", 2000)
	g := admitted(t, r, "2", line(800)) // all that the node carries
	want[LevelCalls] = 1
	is("the node is full", line(800), OverCapacity, want)
	g.Release()
	r.Lower(WholeCalls, 0)
	want[WholeCalls] = 1
	is("the cluster is", line(800), OverCapacity, want)
}

// LI-06: the ledger hears of all that the bindings of one request are short of, together: what there is for the first is of
// no use without the others.
func TestBindingsAreShortTogether(t *testing.T) {
	told := shorts{}
	r := newResources(t, nodeOf(t, twoSites), Deps{Ledger: told})
	lend(r, map[string]uint32{"room": 2, "desktop": 0})
	room, desktop := registrations.Seat{Aliases: 1}, registrations.Seat{Device: licensing.Desktop, Aliases: 1}
	for range 2 {
		if got := r.Registrations().Take(true, room, room, desktop, room); !errors.Is(got, registrations.ErrWaits) {
			t.Errorf("three of two, and one of none: %v", got)
		}
		if diff := cmp.Diff(map[string]uint32{"room": 3, "desktop": 1}, told.drain()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	}
	r.Raise("room", 3)
	r.Raise("desktop", 1)
	if got := r.Registrations().Take(true, room, room, desktop, room); got != nil {
		t.Errorf("all is here: %v", got)
	}
	if diff := cmp.Diff(map[string]uint64{"registrations": 4, "room": 3, "desktop": 1}, used(r)); diff != "" {
		t.Errorf("in use (-want +got):\n%s", diff)
	}
}
