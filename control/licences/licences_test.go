package licences_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const thisNode = "4f1c"

// notes is the event log.
type notes struct {
	mu   sync.Mutex
	said []string
}

func (n *notes) Event(event string, kv ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, event)
}
func (n *notes) Warn(event string, kv ...any)  { n.Event(event, kv...) }
func (n *notes) Error(event string, kv ...any) { n.Event(event, kv...) }

// rig is a keeper with real alarms.
type rig struct {
	*licences.Keeper
	t      *testing.T
	issuer ed25519.PrivateKey
	log    *notes
	board  *alarms.Alarms
	config *config.Node
	levels []resources.Level

	whole  []resources.Level
	pooled bool

	mu    sync.Mutex
	given []licensing.Installed
}

// last returns what was told to be installed last, and how often it was.
func (r *rig) last() (licensing.Installed, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.given[len(r.given)-1], len(r.given)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, issuer: ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize))), log: &notes{}, config: config.Default()}
	r.config.Licensing.Issuers = []config.Issuer{{Index: 1, Name: "test", PublicKey: base64.RawURLEncoding.EncodeToString(r.issuer.Public().(ed25519.PublicKey))}}
	var err error
	if r.board, err = alarms.Open(alarms.Config{File: filepath.Join(t.TempDir(), "alarms"), Log: &notes{}, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.board.Close() })
	r.Keeper = licences.New(licences.Deps{
		Node: thisNode, Config: func() *config.Node { return r.config }, Levels: func() []resources.Level { return r.levels }, Whole: func() []resources.Level { return r.whole },
		Pooled: func() bool { return r.pooled },
		Alarms: r.board, Log: r.log, Changed: func(in licensing.Installed) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.given = append(r.given, in)
		},
	})
	return r
}

// install makes another configuration with the keys.
func (r *rig) install(texts ...string) {
	r.config = r.config.Clone()
	r.config.OptionKeys = nil
	for i, text := range texts {
		r.config.OptionKeys = append(r.config.OptionKeys, config.OptionKey{Index: i + 1, Name: text})
	}
}

func (r *rig) sign(k licensing.Key) string {
	r.t.Helper()
	if k.Node == "" {
		k.Node = thisNode
	}
	if k.Serial == "" {
		k.Serial = "s1"
	}
	text, err := k.Sign(r.issuer)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// standing lists the alarms that stand and no other explains.
func (r *rig) standing() string {
	var list []string
	for _, a := range r.board.List() {
		if a.Stands() && a.Behind == 0 {
			list = append(list, strings.TrimSpace(fmt.Sprint(a.Number, " ", a.Key)))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// LI-05: a node without a key says so and goes on; what a key lacks is said of each.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins in the year 2000
		r := newRig(t)
		good := r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5})
		old := r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5, Until: licensing.LastDay(1999, time.December, 31)})
		soon := r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 7, Until: licensing.LastDay(2000, time.January, 20)})
		far := r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 7, Until: licensing.LastDay(2000, time.June, 20)})
		other := r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 7, Node: "another"})
		changed := strings.Replace(good, ".5.", ".9.", 1)
		for _, tc := range []struct {
			name   string
			keys   []string
			alarms string
			want   licensing.Installed
		}{
			{"none", nil, "39001", licensing.Installed{}},
			{"one", []string{good}, "", licensing.Installed{Pool: licensing.Pool{Room: 5}, Keyed: true}},
			{"for long", []string{far}, "", licensing.Installed{Pool: licensing.Pool{Room: 7}, Keyed: true}},
			{"not for long", []string{good, soon}, "39003 option key 2", licensing.Installed{Pool: licensing.Pool{Room: 12}, Keyed: true}},
			{"changed", []string{changed}, "39001, 39002 option key 1", licensing.Installed{}},
			{"for another node", []string{good, other}, "39002 option key 2", licensing.Installed{Pool: licensing.Pool{Room: 5}, Keyed: true}},
			{"twice", []string{good, good}, "39002 option key 2", licensing.Installed{Pool: licensing.Pool{Room: 5}, Keyed: true}},
			{"ended, and that is no evaluation", []string{old}, "39002 option key 1", licensing.Installed{Keyed: true}},
			{"none again", nil, "39001", licensing.Installed{}},
		} {
			r.install(tc.keys...)
			in := r.Look()
			if diff := cmp.Diff(tc.want, in); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
			if got := r.standing(); got != tc.alarms {
				t.Errorf("%s: %q stand, want %q", tc.name, got, tc.alarms)
			}
		}
		if diff := cmp.Diff([]string{"Option Key Expired"}, r.log.said); diff != "" {
			t.Error(diff)
		}
	})
}

// A key that ends while the node runs is told before, and has no effect from that second.
func TestKeyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.install(r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5, Until: licensing.LastDay(2000, time.January, 1)}))
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		at := func(when time.Time, want string) {
			t.Helper()
			time.Sleep(time.Until(when))
			synctest.Wait()
			in, _ := r.last()
			if got := fmt.Sprintf("%s: %d", r.standing(), in.Pool.Room); got != want {
				t.Errorf("on %s %s, want %s", when, got, want)
			}
		}
		at(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC), "39003 option key 1: 5")
		at(time.Date(2000, 1, 1, 23, 59, 59, 0, time.UTC), "39003 option key 1: 5")
		at(time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), "39002 option key 1: 0")
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, n := r.last(); n != 2 {
			t.Errorf("told %d times of what is installed, want 2", n)
		}
	})
}

// CA-04: near a limit and at it an alarm each, of which the second explains the first.
func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		level    string
		near, at string
	}{
		{resources.LevelRMS, "30001", "30020"},
		{resources.LevelRoom, "30026", "30028"},
		{resources.LevelDesktop, "30029", "30031"},
		{resources.LevelRegistrations, "30010", "30010"},
	} {
		t.Run(tc.level, func(t *testing.T) {
			r := newRig(t)
			r.install(r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5}))
			for _, step := range []struct {
				used uint32
				want string
			}{{0, ""}, {179, ""}, {180, tc.near}, {200, tc.at}, {199, tc.near}, {20, ""}} {
				r.levels = []resources.Level{{Name: tc.level, Used: step.used, Limit: 200}}
				r.Look()
				if got := r.standing(); got != step.want {
					t.Errorf("%d of 200: %q, want %q", step.used, got, step.want)
				}
			}
			want := []string{"License Limit Reached"}
			if tc.level == resources.LevelRegistrations {
				want = nil
			}
			if diff := cmp.Diff(want, r.log.said); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Of evaluation the platform is the limit, and its alarms tell.
func TestNoLicenceIsNearInEvaluation(t *testing.T) {
	r := newRig(t)
	r.levels = []resources.Level{{Name: resources.LevelRMS, Used: 200, Limit: 200}}
	r.Look()
	if got := r.standing(); got != "39001" {
		t.Errorf("%q stand", got)
	}
}

// LI-01, CA-04: a node without keys in a cluster that has some uses what peers have bought, and tells when that ends.
func TestLicencesOfPeersAreNearTheirEnd(t *testing.T) {
	r := newRig(t)
	r.pooled = true
	for _, step := range []struct {
		used uint32
		want string
	}{{100, "39001"}, {180, "30001, 39001"}, {200, "30020, 39001"}, {0, "39001"}} {
		r.levels = []resources.Level{{Name: resources.LevelRMS, Used: step.used, Limit: 200}}
		r.Look()
		if got := r.standing(); got != step.want {
			t.Errorf("%d of 200: %q stand, want %q", step.used, got, step.want)
		}
	}
}

func TestWarnAt(t *testing.T) {
	for at, want := range map[int]string{50: "30010", 51: "", 0: ""} {
		r := newRig(t)
		r.install(r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5}))
		r.config.Licensing.WarnAt = at
		r.levels = []resources.Level{{Name: resources.LevelRegistrations, Used: 50, Limit: 100}}
		r.Look()
		if got := r.standing(); got != want {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
}

// CA-04: the alarm is that of the calls that use most of the platform.
func TestCallCapacity(t *testing.T) {
	r := newRig(t)
	r.install(r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5}))
	for _, step := range []struct {
		traversal, others uint32
		want              string
	}{{0, 0, ""}, {89, 0, ""}, {80, 10, "30002"}, {60, 40, "30023"}, {40, 60, "30022"}, {10, 80, "30003"}, {10, 0, ""}} {
		r.levels = []resources.Level{
			{Name: resources.LevelCalls, Used: step.traversal + step.others, Limit: 100},
			{Name: resources.LevelTraversal, Used: step.traversal, Limit: 100},
			{Name: resources.LevelNonTraversal, Used: step.others, Limit: 100},
		}
		r.Look()
		if got := r.standing(); got != step.want {
			t.Errorf("%d and %d of 100: %q, want %q", step.traversal, step.others, got, step.want)
		}
	}
}

// A limit that was hit between two looks is told, also where it is none at all.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.install(r.sign(licensing.Key{Feature: licensing.RoomSystem, Count: 5}))
		desktops := admission.NewCounter(resources.LevelDesktop, 0)
		r.levels = []resources.Level{{Name: resources.LevelDesktop}}
		if r.Look(); r.standing() != "" {
			t.Errorf("%q stand, and nobody asked for one", r.standing())
		}
		r.Short(desktops, 1)
		r.Short(admission.NewCounter("another", 0), 1)
		if r.Look(); r.standing() != "30031" {
			t.Errorf("%q stand", r.standing())
		}
		time.Sleep(59 * time.Second)
		if r.Look(); r.standing() != "30031" {
			t.Errorf("%q stand", r.standing())
		}
		time.Sleep(time.Second)
		if r.Look(); r.standing() != "" {
			t.Errorf("%q stand a minute later", r.standing())
		}
	})
}
