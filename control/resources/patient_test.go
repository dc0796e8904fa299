package resources

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// shorts is what a ledger was told.
type shorts map[string]uint32

func (s shorts) Short(c *admission.Counter, n uint32) { s[c.Name()] += n }

func (s shorts) drain() map[string]uint32 {
	out := maps.Clone(s)
	clear(s)
	return out
}

// running returns a lease that runs until it is ended.
func running() *admission.Lease {
	l := admission.NewLease(func() time.Duration { return 0 })
	l.Extend(time.Hour)
	return l
}

// lend lends all, of which so much is here.
func lend(r *Resources, here map[string]uint32) {
	r.Lend(running())
	r.Begin()
	for _, p := range r.Parts() {
		n, named := here[p.Name]
		if !named {
			n = p.Total
		}
		r.Raise(p.Name, n)
	}
}

// BW-05, LI-06: a patient call that is short of what peers may have is refused for now, and the ledger hears at once of all
// that was short; when the cluster has said that there is no more it gets along with what is here.
func TestPatient(t *testing.T) {
	call := one(through(phone("Lisbon"), guest("World"), 800)) // over pipe L, one licence
	call.Patient = true
	later := &Shortage{}
	hasty := call
	hasty.Patient = false
	for name, test := range map[string]struct {
		here   map[string]uint32
		denied []string
		want   Want
		kbps   uint32
		why    Refusal
		told   map[string]uint32
	}{
		"all is here": {want: call, kbps: 800, told: map[string]uint32{}},
		"two are short": {
			here: map[string]uint32{"pipe L": 300, "rms": 0}, want: call,
			why: Refusal{Why: NoLicence, Waits: later}, told: map[string]uint32{"rms": 2, "pipe L": 800},
		},
		"a pipe is": {
			here: map[string]uint32{"pipe L": 300}, want: call,
			why: Refusal{Why: OverTotal, At: "pipe L", Waits: later}, told: map[string]uint32{"pipe L": 800},
		},
		"not patient": {here: map[string]uint32{"pipe L": 300}, want: hasty, kbps: 300, told: map[string]uint32{}},
		"not patient, and nothing is here": {
			here: map[string]uint32{"pipe L": 0}, want: hasty, why: Refusal{Why: OverTotal, At: "pipe L"}, told: map[string]uint32{},
		},
		"there is no more": {here: map[string]uint32{"pipe L": 300}, denied: []string{"pipe L"}, want: call, kbps: 300, told: map[string]uint32{}},
		"there is no more of one": {
			here: map[string]uint32{"pipe L": 300, "rms": 1}, denied: []string{"pipe L"}, want: call,
			why: Refusal{Why: NoLicence, Waits: later}, told: map[string]uint32{"rms": 2},
		},
		"there is none of one": {
			here: map[string]uint32{"pipe L": 0, "rms": 1}, denied: []string{"rms"}, want: call,
			why: Refusal{Why: NoLicence}, told: map[string]uint32{"rms": 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := shorts{}
			r := newResources(t, nodeOf(t, twoSites), Deps{Ledger: told})
			lend(r, test.here)
			for _, name := range test.denied {
				r.Denied(name, time.Now())
			}
			g, err := r.Admit("1", test.want)
			if err != nil {
				got := refusal(t, err)
				if got.Waits != nil {
					got.Waits = later
				}
				if got != test.why {
					t.Errorf("refused: %+v, want %+v", got, test.why)
				}
			} else if got := g.Granted().Kbps[0]; got != test.kbps {
				t.Errorf("it has %d kbit/s, want %d", got, test.kbps)
			}
			if diff := cmp.Diff(test.told, told.drain()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// BW-05: the cluster's word that there is no more counts for a moment, and not when more has come since.
func TestDeniedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResources(t, nodeOf(t, twoSites), Deps{})
		lend(r, map[string]uint32{"pipe L": 300})
		call := one(way(phone("Lisbon"), phone("DefaultSubZone"), 800))
		call.Patient = true
		waits := func(when string, want bool) {
			t.Helper()
			g, err := r.Admit("1", call)
			if err == nil {
				g.Release()
			}
			var refused *Refusal
			if got := errors.As(err, &refused) && refused.Waits != nil; got != want {
				t.Errorf("%s: waits %v, want %v (%v)", when, got, want, err)
			}
		}
		waits("at first", true)
		r.Denied("pipe L", time.Now())
		waits("denied", false)
		time.Sleep(DeniedRest + time.Millisecond)
		waits("later", true)
		r.Denied("pipe L", time.Now())
		r.Raise("pipe L", 400)
		waits("some has come since", true)
	})
}

// LI-06: no lease, no admission; what calls have they keep, and give back.
func TestNothingIsTakenWithoutLease(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	call := one(way(phone("Lisbon"), phone("DefaultSubZone"), 400))
	before := admitted(t, r, "before", call)
	lease := admission.NewLease(func() time.Duration { return 0 })
	if used := r.Lend(lease); used["pipe L"] != 400 || len(used) != 1 {
		t.Errorf("in use: %v", used)
	}
	if p, _ := r.Part("pipe L"); p.Shared != (Shared{400, 400}) || !p.Told {
		t.Errorf("lent: %+v", p)
	}
	r.Raise("pipe L", 2000)
	for _, patient := range []bool{false, true} {
		call.Patient = patient
		_, err := r.Admit("1", call)
		if got := refusal(t, err); got.Why != OverTotal || (got.Waits != nil) != patient {
			t.Errorf("without a lease: %+v", got)
		}
	}
	call.Patient = false
	r.Leased("pipe L", false)
	_ = admitted(t, r, "2", call) // strict: the ceiling is this node's whoever is heard
	r.Leased("pipe L", true)
	if _, err := r.Admit("3", call); err == nil {
		t.Error("leased again, and admitted")
	}
	less := one(way(phone("Lisbon"), phone("DefaultSubZone"), 100))
	if err := before.Change(less); err != nil {
		t.Errorf("less is refused: %v", err)
	}
	before.Release()
	if p, _ := r.Part("pipe L"); p.Used != 400 {
		t.Errorf("%+v", p)
	}
}

// BW-04: pipes that become limited, unlimited, another or none while calls have some of them: the first word on what
// is lent is what is in use.
func TestLimitsComeAndGoUnderCalls(t *testing.T) {
	limited, other := nodeOf(t, twoSites), nodeOf(t)
	unlimited := nodeOf(t, twoSites)
	for i := range unlimited.Pipes {
		unlimited.Pipes[i].Total.Mode = config.Unlimited
	}
	r := newResources(t, unlimited, Deps{})
	var told pool
	r.Share(&told)
	lend(r, nil)
	call := one(way(phone("Lisbon"), phone("DefaultSubZone"), 1000))
	change := func(n *config.Node) {
		t.Helper()
		if err := r.Change(n, licensing.Installed{}); err != nil {
			t.Fatal(err)
		}
	}
	calls := []*Grant{admitted(t, r, "1", call), admitted(t, r, "2", call), admitted(t, r, "3", call)}
	if _, shared := r.Part("pipe L"); shared || told.last.Bandwidth["pipe L"] != 0 {
		t.Error("a pipe without a limit is shared")
	}
	change(limited)
	if p, _ := r.Part("pipe L"); p.Shared != (Shared{3000, 3000}) || p.Told || p.Given != 0 || told.last.Bandwidth["pipe L"] != 2000 {
		t.Errorf("limited now: %+v, and there is %d", p, told.last.Bandwidth["pipe L"])
	}
	if _, err := r.Admit("4", call); err == nil {
		t.Error("admitted before the ledger knows")
	}
	calls[0].Release()
	if n := r.Lower("pipe L", 0); n != 2000 {
		t.Errorf("the ledger hears of %d", n)
	}
	calls[1].Release()
	if n := r.Lower("pipe L", 0); n != 1000 {
		t.Errorf("then of %d", n)
	}
	change(unlimited)
	calls = append(calls, admitted(t, r, "5", call))
	change(limited)
	if p, _ := r.Part("pipe L"); p.Used != 2000 || p.Given != 1000 || p.Told {
		t.Errorf("limited again: %+v: more is in use than was given", p)
	}
	r.Raise("pipe L", 2000)
	change(other)
	if _, shared := r.Part("pipe L"); shared || r.Lower("pipe L", 0) != 2000 {
		t.Error("a pipe that is no more: the ledger is told what is in use")
	}
	for _, c := range calls {
		c.Release()
	}
	change(other)
	if r.Lower("pipe L", 0) != 0 || r.lending.parts["pipe L"] != nil {
		t.Error("nobody uses it, and it is there")
	}
	r.Raise("pipe L", 5) // of a name that nobody has
}

// BW-06: the bucket of a pipe is at what this node has of it: at once when that is more, and never under what is in use.
func TestBucketsFollowTheShare(t *testing.T) {
	b := newBuckets()
	r := newResources(t, nodeOf(t, twoSites), Deps{Policer: b})
	g := admitted(t, r, "1", one(way(phone("Porto"), phone("DefaultSubZone"), 500)))
	r.Lend(running())
	r.follow()
	is := func(when string, kbps uint32) {
		t.Helper()
		if diff := cmp.Diff([]string{fmt.Sprint("pipe P backward ", kbps), fmt.Sprint("pipe P forward ", kbps)}, b.open()); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	is("lent", 500)
	r.Raise("pipe P", 1500)
	is("raised", 1500)
	r.Lower("pipe P", 0)
	r.follow()
	is("lowered", 500)
	g.Release()
	r.Lower("pipe P", 0)
	r.follow()
	is("nothing is here", 1)
}
