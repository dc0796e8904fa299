package resources

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/licensing"
)

// BW-03, LI-04, CA-01: what a call takes, and what gives it all back.
func TestAdmit(t *testing.T) {
	for name, tc := range map[string]struct {
		want Want
		used map[string]uint64
		kbps []uint32
	}{
		"registered ends within a subzone": {
			want: one(way(phone("Lisbon"), phone("Lisbon"), 500)),
			used: map[string]uint64{"calls": 2, "non_traversal": 2, "subzone Lisbon": 500},
			kbps: []uint32{500},
		},
		"out to the node and back": {
			want: one(through(phone("Lisbon"), phone("Lisbon"), 500)),
			used: map[string]uint64{"calls": 2, "traversal": 2, "subzone Lisbon": 1000, "subzone TraversalSubZone": 500, "link LT": 1000, "pipe L": 1000},
			kbps: []uint32{500},
		},
		"a stranger, the default bandwidth": {
			want: one(through(phone("Porto"), guest(config.DefaultZoneName), 0)),
			used: map[string]uint64{"calls": 2, "traversal": 2, "rms": 2, "subzone Porto": 384, "subzone TraversalSubZone": 384, "zone DefaultZone": 384, "link PT": 384, "link TZ": 384, "pipe P": 384},
			kbps: []uint32{384},
		},
		"more than one call may have": {
			want: one(way(phone("Lisbon"), guest("World"), 5000)),
			used: map[string]uint64{"calls": 2, "non_traversal": 2, "rms": 2, "subzone Lisbon": 1000, "subzone DefaultSubZone": 1000, "zone World": 1000, "link LD": 1000, "link WD": 1000, "pipe L": 1000},
			kbps: []uint32{1000},
		},
		"two forks: for each object the one that takes most": {
			want: one(way(phone("Lisbon"), phone("Lisbon"), 1500), through(phone("Lisbon"), phone("Porto"), 900)),
			used: map[string]uint64{"calls": 2, "non_traversal": 2, "subzone Lisbon": 1500, "subzone Porto": 900, "subzone TraversalSubZone": 900, "link LT": 900, "link PT": 900, "pipe L": 900, "pipe P": 900},
			kbps: []uint32{1500, 900},
		},
		"connected, one stream": {
			want: Want{Ways: []Way{way(phone("Lisbon"), guest("World"), 64)}, Connected: true, Streams: 1},
			used: map[string]uint64{"calls": 1, "non_traversal": 1, "rms": 1, "subzone Lisbon": 64, "subzone DefaultSubZone": 64, "zone World": 64, "link LD": 64, "link WD": 64, "pipe L": 64},
			kbps: []uint32{64},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResources(t, nodeOf(t, twoSites), Deps{})
			g := admitted(t, r, "1", tc.want)
			if diff := cmp.Diff(tc.used, used(r)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.kbps, g.Granted().Kbps); diff != "" {
				t.Error(diff)
			}
			for range 2 {
				g.Release()
			}
			if diff := cmp.Diff(map[string]uint64{}, used(r)); diff != "" {
				t.Error("after release:", diff)
			}
			if err := g.Change(tc.want); refusal(t, err).Why != Ended {
				t.Errorf("a released grant is changed: %v", err)
			}
			if diff := cmp.Diff(Granted{}, g.Granted()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// CA-04, BW-03: what is refused, and why.
func TestRefusals(t *testing.T) {
	const off = "bandwidth: {downspeed_per_call: off, downspeed_total: off}\n"
	for name, tc := range map[string]struct {
		node  string
		first []Want
		want  Want
		why   Refusal
	}{
		"no way": {
			want: one(way(phone("Lisbon"), phone("nowhere"), 0)),
			why:  Refusal{Why: NoWay, At: `no such subzone or zone: "nowhere"`},
		},
		"no links": {
			node: "", want: one(way(guest("World"), guest("ClusterSubZone"), 0)),
			why: Refusal{Why: NoWay, At: `no links lead there: from "World" to "ClusterSubZone"`},
		},
		"leads nowhere": {want: Want{}, why: Refusal{Why: NoWay, At: "the call leads nowhere"}},
		"more than one call may have": {
			node: off, want: one(through(phone("Lisbon"), phone("Porto"), 1001)),
			why: Refusal{Why: OverPerCall, At: "pipe L"},
		},
		"more than is left": {
			node:  off,
			first: []Want{one(through(phone("Lisbon"), phone("Porto"), 1000)), one(through(phone("Lisbon"), phone("Porto"), 1000))},
			want:  one(through(phone("Lisbon"), phone("Porto"), 1)),
			why:   Refusal{Why: OverTotal, At: "pipe L"},
		},
		"nothing is left to downspeed to": {
			first: []Want{one(through(phone("Porto"), phone("Porto"), 9000))},
			want:  one(through(phone("Lisbon"), phone("Porto"), 64)),
			why:   Refusal{Why: OverTotal, At: "subzone Porto"},
		},
		"no place": {
			node:  custom,
			first: []Want{one(way(phone("Lisbon"), phone("Lisbon"), 64))},
			want:  one(way(phone("Lisbon"), phone("Lisbon"), 64)),
			why:   Refusal{Why: OverCapacity, At: ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResources(t, nodeOf(t, twoSites, tc.node), Deps{})
			for i, w := range tc.first {
				admitted(t, r, fmt.Sprint(i), w)
			}
			before := used(r)
			_, err := r.Admit("x", tc.want)
			if got := refusal(t, err); got != tc.why {
				t.Errorf("refused: %+v, want %+v", got, tc.why)
			}
			if diff := cmp.Diff(before, used(r)); diff != "" {
				t.Error("a refused call has something:", diff)
			}
		})
	}
}

// LI-04, LI-05: keys lower what the platform has; without any it has all of it.
func TestLicences(t *testing.T) {
	n := nodeOf(t, twoSites)
	keys := licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: 3, Room: 1, Desktop: 9000}}
	r, err := New(n, keys, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	call := one(way(phone("Lisbon"), guest("World"), 64))
	g := admitted(t, r, "1", call)
	if _, err := r.Admit("2", call); refusal(t, err) != (Refusal{Why: NoLicence, At: ""}) {
		t.Errorf("one half is left: %v", err)
	}
	audio := Want{Ways: call.Ways, Connected: true, Streams: 1}
	if err := g.Change(audio); err != nil {
		t.Fatal(err)
	}
	admitted(t, r, "2", call)
	if err := g.Change(Want{Ways: call.Ways, Connected: true, Streams: 2}); refusal(t, err).Why != NoLicence {
		t.Errorf("video needs the other half: %v", err)
	}
	if got := g.Granted().HalfRMS; got != 1 {
		t.Errorf("a refused change left %d halves", got)
	}
	seats := r.Registrations()
	if !errors.Is(seats.Take(false, registrations.Seat{Aliases: 2}), registrations.ErrLicence) {
		t.Error("two aliases take two licences")
	}
	if seats.Take(false, registrations.Seat{Device: licensing.Desktop, Aliases: 2}) != nil {
		t.Error("desktops have a pool of their own")
	}
	if err := r.Change(n, licensing.Installed{}); err != nil {
		t.Fatal(err)
	}
	limits := map[string]uint32{}
	for _, l := range r.Levels() {
		limits[l.Name] = l.Limit
	}
	want := map[string]uint32{
		LevelCalls: 1000, LevelTraversal: 1000, LevelNonTraversal: 1000, LevelRMS: 1000,
		LevelRegistrations: 5000, LevelRoom: 5000, LevelDesktop: 5000, LevelProxied: 2500, LevelRelays: 6000,
	}
	if diff := cmp.Diff(want, limits); diff != "" {
		t.Error(diff)
	}
}

// BW-03: what a change that is refused or modest leaves, and what it takes.
func TestChange(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	call := one(through(phone("Lisbon"), phone("Porto"), 1000))
	a, b := admitted(t, r, "a", call), admitted(t, r, "b", call)
	c, err := r.Admit("c", call)
	if refusal(t, err) != (Refusal{Why: OverTotal, At: "pipe L"}) || c != nil {
		t.Fatalf("the line is full: %v", err)
	}
	b.Release()
	c = admitted(t, r, "c", one(through(phone("Lisbon"), phone("Porto"), 700)))

	// More than is left is downspeeded.
	if err := a.Change(one(through(phone("Lisbon"), phone("Porto"), 1000))); err != nil {
		t.Fatal(err)
	}
	if err := c.Change(one(through(phone("Lisbon"), phone("Porto"), 5000))); err != nil {
		t.Fatal(err)
	}
	if got := c.Granted().Kbps[0]; got != 1000 {
		t.Errorf("granted %d, want what one call may have", got)
	}
	// A fork that cannot be had leaves what there is.
	before := used(r)
	fork := one(through(phone("Lisbon"), phone("Porto"), 5000), way(phone("Lisbon"), phone("nowhere"), 0))
	if err := c.Change(fork); refusal(t, err).Why != NoWay {
		t.Error(err)
	}
	if diff := cmp.Diff(before, used(r)); diff != "" {
		t.Error("a refused change has changed something:", diff)
	}
	// Less never fails, whatever has become of links and limits.
	poor := nodeOf(t, "pipes: [{name: P, total: {mode: none}}]\nbandwidth: {downspeed_per_call: off}\n")
	if err := r.Change(poor, licensing.Installed{}); err != nil {
		t.Fatal(err)
	}
	for _, kbps := range []uint32{1000, 900} {
		if err := a.Change(one(through(phone("Lisbon"), phone("Porto"), kbps))); err != nil {
			t.Errorf("%d kbps of a subzone that is gone: %v", kbps, err)
		}
		if got := a.Granted().Kbps[0]; got != kbps {
			t.Errorf("granted %d of %d", got, kbps)
		}
	}
	if err := a.Change(one(through(phone("Lisbon"), phone("Porto"), 901))); refusal(t, err).Why != NoWay {
		t.Errorf("more over links that are gone: %v", err)
	}
	// It has other lines by then, and needs no way.
	if err := r.Change(nodeOf(t, twoSites), licensing.Installed{}); err != nil {
		t.Fatal(err)
	}
	if got := used(r)["pipe L"]; got != 1900 {
		t.Errorf("the line that came back has %d in use, want 1900", got)
	}
	a.Release()
	c.Release()
	if diff := cmp.Diff(map[string]uint64{}, used(r)); diff != "" {
		t.Error(diff)
	}
}

// A new offer asks again for what was refused; anything else keeps what there is.
func TestAnew(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	a := admitted(t, r, "a", one(through(phone("Porto"), phone("Lisbon"), 1000)))
	b := admitted(t, r, "b", one(through(phone("Porto"), phone("World"), 5000)))
	if got := b.Granted().Kbps[0]; got != 2000 {
		t.Fatalf("granted %d of the 2000 that are left", got)
	}
	a.Release()
	w := one(through(phone("Porto"), phone("World"), 5000))
	if err := b.Change(w); err != nil {
		t.Fatal(err)
	}
	if got := b.Granted().Kbps[0]; got != 2000 {
		t.Errorf("granted %d, want what it had", got)
	}
	w.Anew = true
	if err := b.Change(w); err != nil {
		t.Fatal(err)
	}
	if got := b.Granted().Kbps[0]; got != 3000 {
		t.Errorf("granted %d, want all there is", got)
	}
}

func TestCheck(t *testing.T) {
	r := newResources(t, nodeOf(t, twoSites), Deps{})
	admitted(t, r, "1", one(through(phone("Porto"), guest("World"), 2500)))
	got, err := r.Check("Lisbon", "Porto", 800, true)
	if err != nil {
		t.Fatal(err)
	}
	want := CheckResult{
		Nodes: []string{"Lisbon", "TraversalSubZone", "Porto"}, Links: []string{"LT", "PT"}, Kbps: 500, At: "subzone Porto",
		Charges: []Charge{
			{bandwidth.AtSubzone, "Lisbon", 1, 500},
			{bandwidth.AtSubzone, "Porto", 1, 500},
			{bandwidth.AtSubzone, "TraversalSubZone", 1, 500},
			{bandwidth.AtLink, "LT", 1, 500},
			{bandwidth.AtLink, "PT", 1, 500},
			{bandwidth.AtPipe, "L", 1, 500},
			{bandwidth.AtPipe, "P", 1, 500},
		},
		Left: []Left{
			{},
			{Limited: true, Here: 500, Cluster: 500},
			{},
			{},
			{},
			{Limited: true, Here: 2000, Cluster: 2000},
			{Limited: true, Here: 1500, Cluster: 1500},
		},
		AtOnce: 500,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Check("Lisbon", "x", 0, true); !errors.Is(err, bandwidth.ErrUnknown) {
		t.Error(err)
	}
	if got, err := r.Check("World", "ClusterSubZone", 0, false); err != nil || got.Why != NoWay {
		t.Errorf("%+v, %v", got, err)
	}
	if n := r.Calls(); n != 1 {
		t.Errorf("%d calls: checking changes something", n)
	}
}
