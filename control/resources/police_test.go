package resources

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// buckets records what groups are open and at which rate.
type buckets struct {
	last  relay.Group
	names map[relay.Group]string
	kbps  map[relay.Group]uint32
	full  bool
}

func newBuckets() *buckets {
	return &buckets{names: map[relay.Group]string{}, kbps: map[relay.Group]uint32{}}
}

// OpenGroup implements relay.Policer.
func (b *buckets) OpenGroup(name string, kbps uint32, _ time.Duration) (relay.Group, error) {
	if b.full {
		return 0, relay.ErrFull
	}
	b.last++
	b.names[b.last], b.kbps[b.last] = name, kbps
	return b.last, nil
}

// SetGroup implements relay.Policer.
func (b *buckets) SetGroup(g relay.Group, kbps uint32, _ time.Duration) error {
	if _, open := b.names[g]; !open {
		return errors.New("not open")
	}
	b.kbps[g] = kbps
	return nil
}

// CloseGroup implements relay.Policer.
func (b *buckets) CloseGroup(g relay.Group) { delete(b.names, g) }

// GroupStats implements relay.Policer.
func (b *buckets) GroupStats(relay.Group) relay.GroupStats { return relay.GroupStats{} }

// open lists the groups with their rates.
func (b *buckets) open() []string {
	out := []string{}
	for _, g := range slices.Sorted(maps.Keys(b.names)) {
		out = append(out, fmt.Sprint(b.names[g], " ", b.kbps[g]))
	}
	slices.Sort(out)
	return out
}

// of names the groups of a call's direction.
func (b *buckets) of(list []relay.Group) []string {
	out := []string{}
	for _, g := range list {
		out = append(out, b.names[g])
	}
	return out
}

// BW-06: calls over a pipe that is policed take from its buckets, each direction from its
// own; others from none.
func TestPolice(t *testing.T) {
	b := newBuckets()
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	r.Police(b)
	if diff := cmp.Diff([]string{"pipe P backward 4000", "pipe P forward 4000"}, b.open()); diff != "" {
		t.Fatal(diff)
	}
	for name, tc := range map[string]struct {
		way                Way
		caller, calledsOwn []string
		kbps               uint32
	}{
		"out of the site":      {through(phone("Porto"), guest("World"), 300), []string{"pipe P forward"}, []string{"pipe P backward"}, 300},
		"into the site":        {through(guest("World"), phone("Porto"), 0), []string{"pipe P backward"}, []string{"pipe P forward"}, 384},
		"to the node and back": {through(phone("Porto"), phone("Porto"), 300), []string{"pipe P forward", "pipe P backward"}, []string{"pipe P backward", "pipe P forward"}, 300},
		"over another pipe":    {way: through(phone("Lisbon"), guest("World"), 300)},
	} {
		t.Run(name, func(t *testing.T) {
			g := admitted(t, r, name, one(tc.way))
			defer g.Release()
			p := g.Granted().Police
			if p.Kbps != tc.kbps {
				t.Errorf("%d kbps, want %d", p.Kbps, tc.kbps)
			}
			if tc.caller == nil {
				tc.caller, tc.calledsOwn = []string{}, []string{}
			}
			if diff := cmp.Diff([2][]string{tc.caller, tc.calledsOwn}, [2][]string{b.of(p.Groups[0]), b.of(p.Groups[1])}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pipe that has less than its calls were granted holds them to what they were granted,
// and one that is policed no more holds nobody.
func TestPoliceFollows(t *testing.T) {
	b := newBuckets()
	r := newResources(t, nodeOf(t, twoSites), Deps{Policer: b})
	g := admitted(t, r, "a", one(through(phone("Porto"), guest("World"), 3000)))
	change := func(pipes string) {
		t.Helper()
		if err := r.Change(nodeOf(t, pipes), licensing.Installed{}); err != nil {
			t.Fatal(err)
		}
	}
	change("pipes: [{name: P, total: {mode: limited, kbps: 1000}, policing: on}]\n")
	if diff := cmp.Diff([]string{"pipe P backward 3000", "pipe P forward 3000"}, b.open()); diff != "" {
		t.Error(diff)
	}
	g.Release()
	r.look()
	if diff := cmp.Diff([]string{"pipe P backward 1000", "pipe P forward 1000"}, b.open()); diff != "" {
		t.Error(diff)
	}
	change("pipes: [{name: P, policing: on}]\n")
	if diff := cmp.Diff([]string{"pipe P backward 0", "pipe P forward 0"}, b.open()); diff != "" {
		t.Error("unlimited:", diff)
	}
	change("pipes: [{name: P}]\n")
	if diff := cmp.Diff([]string{}, b.open()); diff != "" {
		t.Error(diff)
	}
	b.full = true
	change("pipes: [{name: P, policing: on}]\n")
	b.full = false
	change("pipes: [{name: P, policing: on}]\n")
	if n := len(b.open()); n != 2 {
		t.Errorf("%d groups: one that could not be had is not tried again", n)
	}
	change("subzones: [{name: Lisbon}]\n")
	if diff := cmp.Diff([]string{}, b.open()); diff != "" {
		t.Error("the pipe is gone:", diff)
	}
	if len(r.objects) != len(r.rules.objects) {
		t.Errorf("%d objects are remembered, want %d", len(r.objects), len(r.rules.objects))
	}
}
