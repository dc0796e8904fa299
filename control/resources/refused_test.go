package resources

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

// CA-01, LI-04: of what a node shares with nobody each refusal is counted once, however often it was decided, and what was
// refused for is this node's own limit.
func TestRefusedAtOwnLimits(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites, "system: {name: tp1, platform: custom}\nregistrations: {max: 1}\nturn: {max_relays: 1}\ncalls: {max: 20}\n"), Deps{})
	want := map[string]Refusals{}
	is := func(when string) {
		t.Helper()
		if diff := cmp.Diff(want, r.Refused()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	is("at first")
	seats, relays := r.Registrations(), r.Relays()
	for range 2 {
		_ = seats.Take(true, registrations.Seat{Aliases: 1})
		relays.Take(1)
	}
	want[LevelRegistrations], want[LevelRelays] = Refusals{OwnLimit: 1}, Refusals{OwnLimit: 1}
	is("a second phone and a second relay")

	wide := one(way(phone("Lisbon"), phone("DefaultSubZone"), 1000))
	wide.Patient = true
	admitted(t, r, "half of it", wide)
	admitted(t, r, "the other half", wide)
	if _, err := r.Admit("too much", wide); err == nil {
		t.Error("more than a pipe has was given")
	}
	want["pipe L"] = Refusals{OwnLimit: 1}
	is("a full pipe")

	call := one(through(phone("DefaultSubZone"), guest("World"), 64))
	call.Patient = true
	n := 0
	for ; n < 10_000; n++ {
		if _, err := r.Admit("call", call); err != nil {
			break
		}
	}
	if got := r.Refused()[LevelRMS].All() + r.Refused()[LevelCalls].All(); got != 1 {
		t.Errorf("one call after %d others is refused and %d are counted: %v", n, got, r.Refused())
	}
}

// BW-04: what was refused for want of bandwidth stays counted when its pipe is taken away, and comes back.
func TestRefusedForWantOfAPipeThatIsGone(t *testing.T) {
	n := nodeOf(t, twoSites)
	r := newResources(t, n, Deps{})
	wide := one(way(phone("Lisbon"), phone("DefaultSubZone"), 1000))
	wide.Patient = true
	refuse := func(want uint64) {
		t.Helper()
		half, other := admitted(t, r, "half of it", wide), admitted(t, r, "the other half", wide)
		if _, err := r.Admit("too much", wide); err == nil {
			t.Error("more than a pipe has was given")
		}
		half.Release()
		other.Release()
		if got := r.RefusedBandwidth(); got[OwnLimit] != want || got.All() != want {
			t.Errorf("refused: %v", got)
		}
	}
	become := func(n *config.Node) {
		t.Helper()
		if err := r.Change(n, licensing.Installed{}); err != nil {
			t.Fatal(err)
		}
	}
	refuse(1)
	become(nodeOf(t, ""))
	if got := r.RefusedBandwidth().All(); got != 1 || r.Refused()["pipe L"] != nil {
		t.Errorf("of a pipe that is gone: %d, and %v", got, r.Refused())
	}
	become(n)
	refuse(2)
}

// LI-06, BW-05: of what peers share the cluster says why there was not enough.
func TestRefusedForWantOfShares(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	lend(r, map[string]uint32{"pipe L": 0})
	r.Share(&pool{})
	if _, err := r.Admit("call", one(way(phone("Lisbon"), phone("DefaultSubZone"), 800))); err == nil {
		t.Fatal("more than the share was given")
	}
	if got := r.Refused()["pipe L"]; got[UsedUp] != 1 || got.All() != 1 {
		t.Errorf("refused: %v", got)
	}
}

// noting is a cluster that notes what it is asked the cause of.
type noting struct{ of []Unmet }

var _ Pool = (*noting)(nil)

func (*noting) Offer(Offer) {}

func (n *noting) Cause(of Unmet) Cause {
	n.of = append(n.of, of)
	return NoAnswer
}

// LI-06, BW-05: who says why there was not enough hears how much was short, and whether the request was held for it.
func TestRefusedForWantOf(t *testing.T) {
	wide := one(way(phone("Lisbon"), phone("DefaultSubZone"), 800))
	waited := wide
	waited.Waited = true
	admit := func(w Want) func(*Resources) {
		return func(r *Resources) { _, _ = r.Admit("call", w) }
	}
	for name, tc := range map[string]struct {
		here map[string]uint32
		more string
		ask  func(*Resources)
		want Unmet
	}{
		"all of a call":                   {map[string]uint32{"pipe L": 0}, "", admit(wide), Unmet{"pipe L", 800, false}},
		"of one that waited":              {map[string]uint32{"pipe L": 0}, "", admit(waited), Unmet{"pipe L", 800, true}},
		"what is not here":                {map[string]uint32{"pipe L": 300}, "bandwidth: {downspeed_total: off}\n", admit(wide), Unmet{"pipe L", 500, false}},
		"half of a session":               {map[string]uint32{"rms": 1}, "", admit(one(through(phone("DefaultSubZone"), guest("World"), 64))), Unmet{"rms", 1, false}},
		"licences of a registration":      {map[string]uint32{"room": 1}, "", func(r *Resources) { _ = r.Registrations().Take(false, registrations.Seat{Aliases: 3}) }, Unmet{"room", 2, true}},
		"a relayed address, of a cluster": {map[string]uint32{WholeRelays: 0}, "", func(r *Resources) { r.Relays().Take(1) }, Unmet{WholeRelays, 1, false}},
	} {
		t.Run(name, func(t *testing.T) {
			n := nodeOf(t, twoSites, custom, "cluster_redundancy: 4+1\n"+tc.more)
			n.Cluster.Peers = make([]string, 5)
			r := newResources(t, n, Deps{})
			lend(r, tc.here)
			var pool noting
			r.Share(&pool)
			tc.ask(r)
			if diff := cmp.Diff([]Unmet{tc.want}, pool.of); diff != "" {
				t.Errorf("refused for want of (-want +got):\n%s", diff)
			}
		})
	}
}

// Each cause has a name of its own.
func TestCauses(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Causes() {
		names[c.String()] = true
	}
	if names[""] || len(names) != int(causes) {
		t.Errorf("%d causes have the names %v", causes, names)
	}
}
