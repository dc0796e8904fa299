package resources

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/registrations"
)

// refusals is what was refused for want of each part, without what nobody was.
func refusals(r *Resources) map[string]uint64 {
	out := map[string]uint64{}
	for name, of := range r.Refused() {
		out[name] = of.All()
	}
	return out
}

// waiting is who waits for each part, without what nobody waits for.
func waiting(r *Resources) map[string]uint32 {
	out := map[string]uint32{}
	for _, p := range r.Parts() {
		if p.Waits > 0 {
			out[p.Name] = p.Waits
		}
	}
	return out
}

// CA-02, LI-06: only a refusal that stands is counted, of what was short first; who waits is none, however much is short.
func TestRefusedRegistrationsAreCounted(t *testing.T) {
	n := nodeOf(t, "system: {name: tp1, platform: Small}\ncluster: {peers: [192.0.2.1, 192.0.2.2]}\n")
	r := newResources(t, n, Deps{})
	lend(r, map[string]uint32{WholeRegistrations: 0, LevelRoom: 0})
	seats := r.Registrations()
	is := func(when string, got, want error, refused map[string]uint64) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
		if diff := cmp.Diff(refused, refusals(r)); diff != "" {
			t.Errorf("%s: refused (-want +got):\n%s", when, diff)
		}
	}
	is("two are short", seats.Take(true, registrations.Seat{Aliases: 1}), registrations.ErrWaits, map[string]uint64{})
	is("finally", seats.Take(false, registrations.Seat{Aliases: 1}), registrations.ErrCluster, map[string]uint64{WholeRegistrations: 1})
	r.Denied(LevelRoom, time.Now())
	is("there is no more of one", seats.Take(true, registrations.Seat{Aliases: 1}), registrations.ErrCluster, map[string]uint64{WholeRegistrations: 2})
	r.Raise(WholeRegistrations, 1)
	is("one is short", seats.Take(true, registrations.Seat{Aliases: 1}), registrations.ErrLicence, map[string]uint64{WholeRegistrations: 2, LevelRoom: 1})
	r.Lower(WholeProxied, 0)
	is("nor of proxied ones", seats.Take(false, registrations.Seat{Proxied: true}), registrations.ErrCluster, map[string]uint64{WholeRegistrations: 2, LevelRoom: 1, WholeProxied: 1})
}

// LI-06, BW-05: who waits for what is who waits: not who has given up, nor how often one has asked.
func TestWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources(t, nodeOf(t, twoSites), Deps{})
		lend(r, map[string]uint32{"pipe L": 300, "rms": 0, "room": 0})
		both := one(through(phone("Lisbon"), guest("World"), 800))
		line := one(way(phone("Lisbon"), phone("DefaultSubZone"), 800))
		both.Patient, line.Patient = true, true
		is := func(when string, want map[string]uint32) {
			t.Helper()
			if diff := cmp.Diff(want, waiting(r)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		var ask func(w Want, by *Waiter)
		ask = func(w Want, by *Waiter) {
			if g, err := r.Admit("call", w); err == nil {
				g.Release()
			} else {
				r.Await(by, shortage(t, err), func() { ask(w, by) })
			}
		}
		var gives [2]Waiter
		ask(both, &Waiter{})
		ask(line, &gives[0])
		ask(line, &gives[1])
		if !r.Await(&Waiter{}, shortage(t, r.Registrations().Take(true, registrations.Seat{Aliases: 1})), func() {}) {
			t.Error("a registration may not wait")
		}
		all := map[string]uint32{"pipe L": 3, "rms": 1, "room": 1}
		is("at first", all)
		for range 3 {
			r.Wake()
		}
		delete(all, "room") // it asks no more
		is("nothing has come, and they ask again", all)
		gives[0].Stop()
		all["pipe L"] = 2
		is("one has given up", all)
		r.Raise("pipe L", 2000)
		r.Wake()
		is("of one there is enough", map[string]uint32{"rms": 1})
		r.Lower("pipe L", 0)
		time.Sleep(usualWait + time.Millisecond) // nobody is heard of
		synctest.Wait()
		is("their time is over", map[string]uint32{})
		ask(line, &Waiter{Since: time.Now().Add(-usualWait)})
		is("it may not wait", map[string]uint32{})
	})
}
