package occupancy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// sites is a node of testdata/sites.yaml with lines changed.
func sites(t testing.TB, change ...string) (*resources.Resources, *config.Node) {
	t.Helper()
	text, err := os.ReadFile("testdata/sites.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.Parse("sites.yaml", []byte(strings.NewReplacer(change...).Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	r, err := resources.New(n, licensing.Installed{}, resources.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return r, n
}

// admit starts a call between two nodes.
func admit(t testing.TB, r *resources.Resources, serial, from, to string, kbps uint32, traversal bool) *resources.Grant {
	t.Helper()
	g, err := r.Admit(serial, resources.Want{Streams: 2, Ways: []resources.Way{
		{From: resources.Party{Node: from}, To: resources.Party{Node: to}, Traversal: traversal, Asked: kbps},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// counts says how often a call counts where: lisbon 2, pipe lisbon line 1.
func counts(a Answer) string {
	var out []string
	for _, toll := range a.Tolls {
		if toll.Object.Kind == "link" {
			continue // they are Links
		}
		out = append(out, fmt.Sprintf("%s %d", toll.Object, toll.Times))
	}
	return strings.Join(out, ", ")
}

// BW-01, BW-02, BW-03: from the text of a configuration to what a call gets and counts
// (facts A1.2 to A1.5).
func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		ask    Question
		change []string
		calls  func(*testing.T, *resources.Resources)
		want   string // result, kbps, what decided
		route  string // links
		counts string
	}{
		// Facts A1.4.
		"past the node inside one subzone: once": {
			ask: Question{Node1: "lisbon", Node2: "lisbon", Kbps: 1000}, want: "granted 1000",
			counts: "subzone lisbon 1",
		},
		"through the node inside one subzone: twice, and once on the Traversal Subzone": {
			ask: Question{Node1: "lisbon", Node2: "lisbon", Kbps: 1000, Traversal: true}, want: "granted 1000",
			route: "lisbon media, lisbon media", counts: "subzone lisbon 2, subzone TraversalSubZone 1, pipe lisbon line 2",
		},
		"two lines in series, both count": {
			ask: Question{Node1: "lisbon", Node2: "partner", Kbps: 1000}, want: "granted 1000",
			route: "private", counts: "subzone lisbon 1, zone partner 1, pipe lisbon line 1, pipe porto line 1",
		},
		"between two subzones, past the node": {
			ask: Question{Node1: "porto", Node2: "lisbon", Kbps: 1000}, want: "granted 1000",
			route: "porto out, lisbon out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},
		"between two subzones, through the node": {
			ask: Question{Node1: "porto", Node2: "lisbon", Kbps: 1000, Traversal: true}, want: "granted 1000",
			route: "porto media, lisbon media", counts: "subzone lisbon 1, subzone porto 1, subzone TraversalSubZone 1, pipe lisbon line 1, pipe porto line 1",
		},
		"to strangers": {
			ask: Question{Node1: "DefaultSubZone", Node2: "DefaultZone", Kbps: 1000}, want: "granted 1000",
			route: "DefaultSZtoDefaultZ", counts: "subzone DefaultSubZone 1, zone DefaultZone 1",
		},
		"a call that asks for nothing counts the default": {
			ask: Question{Node1: "lisbon", Node2: "lisbon"}, want: "granted 384", counts: "subzone lisbon 1",
		},

		// The lowest of several limits of one call, whichever object it sits on (BW-02).
		"within a subzone": {
			ask: Question{Node1: "lisbon", Node2: "lisbon", Kbps: 5000}, want: "downspeeded 4000 subzone lisbon: subzone lisbon allows one call 4000 kbit/s",
			counts: "subzone lisbon 1",
		},
		"within a subzone, by the ends and not by the way of the media": {
			ask: Question{Node1: "lisbon", Node2: "lisbon", Kbps: 5000, Traversal: true}, want: "downspeeded 4000 subzone lisbon: subzone lisbon allows one call 4000 kbit/s",
			route: "lisbon media, lisbon media", counts: "subzone lisbon 2, subzone TraversalSubZone 1, pipe lisbon line 2",
		},
		"in and out of a subzone": {
			ask: Question{Node1: "lisbon", Node2: "DefaultZone", Kbps: 5000}, want: "downspeeded 3000 subzone lisbon: subzone lisbon allows one call 3000 kbit/s",
			route: "lisbon out, DefaultSZtoDefaultZ", counts: "subzone DefaultSubZone 1, subzone lisbon 1, zone DefaultZone 1, pipe lisbon line 1",
		},
		"a pipe's, lower than the subzone's": {
			ask: Question{Node1: "lisbon", Node2: "porto", Kbps: 5000}, want: "downspeeded 1500 pipe porto line: pipe porto line allows one call 1500 kbit/s",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},
		"the Traversal Subzone's": {
			ask: Question{Node1: "DefaultSubZone", Node2: "DefaultSubZone", Kbps: 9000, Traversal: true}, want: "downspeeded 6000 subzone TraversalSubZone: subzone TraversalSubZone allows one call 6000 kbit/s",
			route: "DefaultSZtoTraversalSZ, DefaultSZtoTraversalSZ", counts: "subzone DefaultSubZone 2, subzone TraversalSubZone 1",
		},
		"refused, where calls are not downspeeded": {
			ask: Question{Node1: "lisbon", Node2: "porto", Kbps: 5000}, change: []string{"domains:", "bandwidth: {downspeed_per_call: off}\ndomains:"},
			want:  "refused 0 pipe porto line: pipe porto line allows one call 1500 kbit/s: Exceeds Call Capacity",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},

		// What is left of a total.
		"what is left of a line": {
			ask:   Question{Node1: "lisbon", Node2: "porto", Kbps: 1200},
			calls: func(t *testing.T, r *resources.Resources) { admit(t, r, "1", "porto", "DefaultSubZone", 1200, false) },
			want:  "downspeeded 800 pipe porto line: pipe porto line has 800 kbit/s left",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},
		"what is left, for a call that counts twice": {
			ask:   Question{Node1: "lisbon", Node2: "lisbon", Kbps: 3000, Traversal: true},
			calls: func(t *testing.T, r *resources.Resources) { admit(t, r, "1", "lisbon", "DefaultZone", 3000, false) },
			want:  "downspeeded 2500 pipe lisbon line: pipe lisbon line has 5000 kbit/s left, and the call counts there 2 times",
			route: "lisbon media, lisbon media", counts: "subzone lisbon 2, subzone TraversalSubZone 1, pipe lisbon line 2",
		},
		"nothing is left": {
			ask: Question{Node1: "lisbon", Node2: "porto", Kbps: 64},
			calls: func(t *testing.T, r *resources.Resources) {
				admit(t, r, "1", "porto", "DefaultSubZone", 1500, false)
				admit(t, r, "2", "porto", "DefaultSubZone", 500, true)
			},
			want:  "refused 0 pipe porto line: pipe porto line has 0 kbit/s left: Gatekeeper Resources Unavailable",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},
		"less than it asks for is left, and calls are not downspeeded": {
			ask: Question{Node1: "lisbon", Node2: "porto", Kbps: 1000}, change: []string{"domains:", "bandwidth: {downspeed_total: off}\ndomains:"},
			calls: func(t *testing.T, r *resources.Resources) { admit(t, r, "1", "porto", "DefaultSubZone", 1200, false) },
			want:  "refused 0 pipe porto line: pipe porto line has 800 kbit/s left: Gatekeeper Resources Unavailable",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},
		"no bandwidth at all": {
			ask: Question{Node1: "DefaultSubZone", Node2: "partner", Kbps: 64, Traversal: true}, want: "refused 0 pipe closed: pipe closed admits no call at all: Gatekeeper Resources Unavailable",
			route: "DefaultSZtoTraversalSZ, partner media", counts: "subzone DefaultSubZone 1, subzone TraversalSubZone 1, zone partner 1, pipe closed 1",
		},

		"no such call": {
			ask: Question{Node1: "lisbon", Node2: "porto"}, change: []string{"in_out: {mode: limited, kbps: 3000}", "in_out: {mode: none}"},
			want:  "refused 0 subzone lisbon: subzone lisbon admits no such call: Exceeds Call Capacity",
			route: "lisbon out, porto out", counts: "subzone DefaultSubZone 1, subzone lisbon 1, subzone porto 1, pipe lisbon line 1, pipe porto line 1",
		},

		// Links (BW-01).
		"no links":              {ask: Question{Node1: "vault", Node2: "lisbon"}, want: "refused 0 : from vault to lisbon without TraversalSubZone, which only calls pass whose media passes the node: no links lead there"},
		"no links to the node":  {ask: Question{Node1: "vault", Node2: "vault", Traversal: true}, want: "refused 0 : from vault by TraversalSubZone to vault: no links lead there"},
		"no links, with itself": {ask: Question{Node1: "vault", Node2: "vault"}, want: "granted 384", counts: "subzone vault 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r, n := sites(t, test.change...)
			if test.calls != nil {
				test.calls(t, r)
			}
			before := r.Objects()
			a, err := Check(r, n, test.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(a.Result, " ", a.Kbps)
			if a.Result != Granted {
				got += fmt.Sprintf(" %s: %s", a.At, a.Detail)
			}
			if a.Reason != "" {
				got += ": " + a.Reason
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if route := strings.Join(a.Links, ", "); route != test.route {
				t.Errorf("route %s, want %s", route, test.route)
			}
			if c := counts(a); c != test.counts {
				t.Errorf("counts on %s\nwant %s", c, test.counts)
			}
			if diff := cmp.Diff(before, r.Objects()); diff != "" {
				t.Errorf("a check changes something: %s", diff)
			}
			agree(t, r, test.ask, a)
		})
	}
}

// agree holds a check to what a real call like it gets.
func agree(t *testing.T, r *resources.Resources, q Question, a Answer) {
	t.Helper()
	before := map[string]uint64{}
	for _, o := range r.Objects() {
		before[o.Kind.String()+" "+o.Name] = o.GrantedKbps
	}
	g, err := r.Admit("like it", resources.Want{Streams: 2, Ways: []resources.Way{
		{From: resources.Party{Node: q.Node1}, To: resources.Party{Node: q.Node2}, Traversal: q.Traversal, Asked: q.Kbps},
	}})
	if (err != nil) != (a.Result == Refused) {
		t.Fatalf("a call got %v", err)
	}
	var refused *resources.Refusal
	if errors.As(err, &refused) {
		if refused.Why.String() != a.Reason {
			t.Errorf("a call was refused for %s", refused)
		}
		return
	}
	defer g.Release()
	if got := g.Granted().Kbps[0]; got != a.Kbps {
		t.Errorf("a call got %d kbps", got)
	}
	more := map[string]uint64{}
	for _, toll := range a.Tolls {
		more[toll.Object.String()] = uint64(toll.Times) * uint64(a.Kbps)
	}
	for _, o := range r.Objects() {
		name := o.Kind.String() + " " + o.Name
		if o.GrantedKbps-before[name] != more[name] {
			t.Errorf("a call counts %d on %s, not %d", o.GrantedKbps-before[name], name, more[name])
		}
	}
}

func TestCheckOfNobody(t *testing.T) {
	r, n := sites(t)
	for name, want := range map[string]string{
		"lisbo": "did you mean lisbon?",
		"local": "is all subzones",
		"moon":  "turnpike bandwidth show --all",
		"":      "turnpike bandwidth show --all",
	} {
		for _, q := range []Question{{Node1: name, Node2: "lisbon"}, {Node1: "lisbon", Node2: name}} {
			if _, err := Check(r, n, q); !errors.Is(err, ErrNode) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %s", name, err, want)
			}
		}
	}
}
