package bandwidth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/bandwidth"
)

// site is two offices with an access line each, a neighbour, and the shipped links.
func site() bandwidth.Config {
	return bandwidth.Config{
		Subzones: []bandwidth.Subzone{
			{Name: "Default"},
			{Name: "Lisbon", Total: bandwidth.Of(10_000), Within: bandwidth.Of(4000), InOut: bandwidth.Of(2000)},
			{Name: "Porto"},
			{Name: "Alone"},
		},
		Traversal: bandwidth.Traversal{Name: "Traversal", PerCall: bandwidth.Of(3000)},
		Zones:     []string{"Partner"},
		Pipes: []bandwidth.Pipe{
			{Name: "L", Total: bandwidth.Of(8000), PerCall: bandwidth.Of(6000)},
			{Name: "P", Total: bandwidth.Of(5000), PerCall: bandwidth.Of(1500)},
		},
		Links: []bandwidth.Link{
			{Name: "D-T", A: "Default", B: "Traversal"},
			{Name: "L-D", A: "Lisbon", B: "Default", Pipe1: "L"},
			{Name: "L-T", A: "Lisbon", B: "Traversal", Pipe1: "L"},
			{Name: "P-D", A: "Porto", B: "Default", Pipe1: "P"},
			{Name: "P-T", A: "Porto", B: "Traversal", Pipe1: "P"},
			{Name: "T-X", A: "Traversal", B: "Partner", Pipe1: "L", Pipe2: "P"},
		},
	}
}

func compile(t testing.TB, c bandwidth.Config) *bandwidth.Map {
	t.Helper()
	m, err := bandwidth.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// charges names what a plan is charged on.
func charges(m *bandwidth.Map, p *bandwidth.Plan) map[string]int {
	out := map[string]int{}
	for _, c := range p.Charges {
		o := m.Objects()[c.ID]
		out[o.Kind.String()+" "+o.Name] = c.Times
	}
	return out
}

// BW-01, BW-02, BW-03: facts A1.3 and A1.4.
func TestPlan(t *testing.T) {
	m := compile(t, site())
	tests := map[string]struct {
		from, to  string
		traversal bool
		nodes     string
		charges   map[string]int
		perCall   bandwidth.Limit
	}{
		"within a subzone": {
			from: "Lisbon", to: "Lisbon", nodes: "Lisbon",
			charges: map[string]int{"subzone Lisbon": 1}, perCall: bandwidth.Of(4000),
		},
		"traversal within a subzone": {
			from: "Lisbon", to: "Lisbon", traversal: true, nodes: "Lisbon Traversal Lisbon",
			charges: map[string]int{"subzone Lisbon": 2, "subzone Traversal": 1, "link L-T": 2, "pipe L": 2}, perCall: bandwidth.Of(3000),
		},
		"between subzones": {
			from: "Lisbon", to: "Porto", nodes: "Lisbon Default Porto",
			charges: map[string]int{"subzone Lisbon": 1, "subzone Default": 1, "subzone Porto": 1, "link L-D": 1, "link P-D": 1, "pipe L": 1, "pipe P": 1},
			perCall: bandwidth.Of(1500),
		},
		"traversal between subzones": {
			from: "Lisbon", to: "Porto", traversal: true, nodes: "Lisbon Traversal Porto",
			charges: map[string]int{"subzone Lisbon": 1, "subzone Traversal": 1, "subzone Porto": 1, "link L-T": 1, "link P-T": 1, "pipe L": 1, "pipe P": 1},
			perCall: bandwidth.Of(1500),
		},
		"two access lines in series, one of them for the second time": {
			from: "Porto", to: "Partner", traversal: true, nodes: "Porto Traversal Partner",
			charges: map[string]int{"subzone Porto": 1, "subzone Traversal": 1, "zone Partner": 1, "link P-T": 1, "link T-X": 1, "pipe L": 1, "pipe P": 2},
			perCall: bandwidth.Of(1500),
		},
		"alone, with itself": {from: "Alone", to: "Alone", nodes: "Alone", charges: map[string]int{"subzone Alone": 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := m.Plan(tc.from, tc.to, tc.traversal)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(p.Nodes, " "); got != tc.nodes {
				t.Errorf("way %s, want %s", got, tc.nodes)
			}
			if diff := cmp.Diff(tc.charges, charges(m, p)); diff != "" {
				t.Error(diff)
			}
			if p.PerCall != tc.perCall {
				t.Errorf("per call %+v, want %+v", p.PerCall, tc.perCall)
			}
		})
	}
}

// crossings names what a plan crosses: forward and backward.
func crossings(m *bandwidth.Map, p *bandwidth.Plan) map[string][2]int {
	out := map[string][2]int{}
	for _, c := range p.Crossings {
		out[m.Objects()[c.ID].Name] = [2]int{c.Forward, c.Backward}
	}
	return out
}

// BW-06: in which direction of its pipes a caller's media goes.
func TestCrossings(t *testing.T) {
	c := site()
	// Lisbon's second link is written from its other end, and is the same line.
	c.Links[2].A, c.Links[2].B = c.Links[2].B, c.Links[2].A
	m := compile(t, c)
	for name, tc := range map[string]struct {
		from, to  string
		traversal bool
		want      map[string][2]int
	}{
		"out of one site, into another": {from: "Lisbon", to: "Porto", want: map[string][2]int{"L": {1, 0}, "P": {0, 1}}},
		"the other way":                 {from: "Porto", to: "Lisbon", want: map[string][2]int{"L": {0, 1}, "P": {1, 0}}},
		"through the node":              {from: "Lisbon", to: "Porto", traversal: true, want: map[string][2]int{"L": {1, 0}, "P": {0, 1}}},
		"to the node and back":          {from: "Lisbon", to: "Lisbon", traversal: true, want: map[string][2]int{"L": {1, 1}}},
		"without a pipe":                {from: "Lisbon", to: "Lisbon", want: map[string][2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := m.Plan(tc.from, tc.to, tc.traversal)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, crossings(m, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoWay(t *testing.T) {
	m := compile(t, site())
	for name, tc := range map[string]struct {
		from, to  string
		traversal bool
		want      error
	}{
		"no links":                           {from: "Alone", to: "Porto", want: bandwidth.ErrNoWay},
		"no links to the Traversal Subzone":  {from: "Alone", to: "Alone", traversal: true, want: bandwidth.ErrNoWay},
		"only through the Traversal Subzone": {from: "Lisbon", to: "Partner", want: bandwidth.ErrNoWay},
		"unknown":                            {from: "Lisbon", to: "Faro", want: bandwidth.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := m.Plan(tc.from, tc.to, tc.traversal); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*bandwidth.Config)
		want   string
	}{
		"an end that is not there":  {func(c *bandwidth.Config) { c.Links[0].A = "Faro" }, `link "D-T": no such subzone or zone: "Faro"`},
		"a pipe that is not there":  {func(c *bandwidth.Config) { c.Links[0].Pipe2 = "Z" }, `link "D-T": there is no pipe "Z"`},
		"a link to itself":          {func(c *bandwidth.Config) { c.Links[0].B = "Default" }, `link "D-T": both ends are "Default": name two`},
		"two of one name":           {func(c *bandwidth.Config) { c.Zones = []string{"Porto"} }, `zone "Porto": the name is taken or empty`},
		"more pipes than there may": {func(c *bandwidth.Config) { c.Pipes = make([]bandwidth.Pipe, 1001) }, "1001 pipes are too many: a node has up to 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			c := site()
			tc.change(&c)
			_, err := bandwidth.Compile(c)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// used is what is in use of each object.
type used struct {
	m  *bandwidth.Map
	by map[string]int
}

func (u used) Left(id bandwidth.ID) (int, bool) {
	o := u.m.Objects()[id]
	return o.Total.Kbps - u.by[o.Name], o.Total.Limited
}

// BW-03: facts A1.5.
func TestGrant(t *testing.T) {
	m := compile(t, site())
	both := bandwidth.Downspeed{PerCall: true, Total: true}
	within, err := m.Plan("Lisbon", "Lisbon", true)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		asked int
		down  bandwidth.Downspeed
		used  map[string]int
		kbps  int
		why   bandwidth.Refusal
		at    string
	}{
		"what it asks for":               {asked: 2000, kbps: 2000},
		"more than one call may":         {asked: 9000, down: both, kbps: 3000, at: "Traversal"},
		"the same, without downspeeding": {asked: 9000, down: bandwidth.Downspeed{Total: true}, why: bandwidth.OverPerCall, at: "Traversal"},
		"more than is left, counted twice": {
			asked: 2000, down: both, used: map[string]int{"L": 5000}, kbps: 1500, at: "L",
		},
		"the same, refused": {
			asked: 2000, down: bandwidth.Downspeed{PerCall: true}, used: map[string]int{"L": 5000}, why: bandwidth.OverTotal, at: "L",
		},
		"nothing is left":       {asked: 64, down: both, used: map[string]int{"Lisbon": 10_000}, why: bandwidth.OverTotal, at: "Lisbon"},
		"less than nothing":     {asked: 64, down: both, used: map[string]int{"L": 9000}, why: bandwidth.OverTotal, at: "L"},
		"the lowest of several": {asked: 3000, down: both, used: map[string]int{"Lisbon": 6000, "L": 6000}, kbps: 1000, at: "L"},
	} {
		t.Run(name, func(t *testing.T) {
			kbps, why, at := within.Grant(tc.asked, tc.down, used{m, tc.used})
			if kbps != tc.kbps || why != tc.why {
				t.Errorf("got %d, %s; want %d, %s", kbps, why, tc.kbps, tc.why)
			}
			if tc.at != "" && m.Objects()[at].Name != tc.at {
				t.Errorf("decided at %s, want %s", m.Objects()[at].Name, tc.at)
			}
		})
	}
}

// A limit of no bandwidth admits nothing, downspeeding or not.
func TestNoBandwidth(t *testing.T) {
	c := site()
	c.Subzones[1].Within = bandwidth.Of(0)
	m := compile(t, c)
	p, err := m.Plan("Lisbon", "Lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	kbps, why, _ := p.Grant(64, bandwidth.Downspeed{PerCall: true, Total: true}, used{m: m})
	if kbps != 0 || why != bandwidth.OverPerCall {
		t.Errorf("got %d, %s", kbps, why)
	}
}
