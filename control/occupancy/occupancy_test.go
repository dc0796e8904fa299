package occupancy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// sending is what calls send, by serial.
type sending map[string]uint32

func (s sending) Measured(serial string) (uint32, bool) {
	kbps, known := s[serial]
	return kbps, known
}

func kbps(n int) *int { return &n }

// One call shows on every object that it crosses, as often as it does (facts A1.4); what
// it sends counts as often as what it was granted.
func TestReport(t *testing.T) {
	r, n := sites(t)
	admit(t, r, "in lisbon", "lisbon", "lisbon", 1000, true)
	admit(t, r, "past the node", "lisbon", "porto", 1200, false)
	admit(t, r, "to strangers", "lisbon", "DefaultZone", 500, true)
	got := Of(r, n, sending{"in lisbon": 900, "to strangers": 510})
	want := []Object{
		{Kind: "subzone", Name: "DefaultSubZone", Calls: 1, GrantedKbps: 1200},
		{Kind: "subzone", Name: "ClusterSubZone"},
		{Kind: "subzone", Name: "lisbon", Calls: 3, GrantedKbps: 3700, MeasuredKbps: 2310, MeasuredCalls: 2, TotalKbps: kbps(10000), PerCallKbps: kbps(3000), WithinKbps: kbps(4000)},
		{Kind: "subzone", Name: "porto", Calls: 1, GrantedKbps: 1200},
		{Kind: "subzone", Name: "vault"},
		{Kind: "subzone", Name: "TraversalSubZone", Calls: 2, GrantedKbps: 1500, MeasuredKbps: 1410, MeasuredCalls: 2, TotalKbps: kbps(20000), PerCallKbps: kbps(6000)},
		{Kind: "zone", Name: "DefaultZone", Calls: 1, GrantedKbps: 500, MeasuredKbps: 510, MeasuredCalls: 1},
		{Kind: "zone", Name: "partner"},
		{Kind: "link", Name: "lisbon media", Calls: 2, GrantedKbps: 2500, MeasuredKbps: 2310, MeasuredCalls: 2, Ends: []string{"TraversalSubZone", "lisbon"}, Pipes: []string{"lisbon line"}},
		{Kind: "pipe", Name: "lisbon line", Calls: 3, GrantedKbps: 3700, MeasuredKbps: 2310, MeasuredCalls: 2, TotalKbps: kbps(8000), Policing: true},
		{Kind: "pipe", Name: "porto line", Calls: 1, GrantedKbps: 1200, TotalKbps: kbps(2000), PerCallKbps: kbps(1500)},
		{Kind: "pipe", Name: "closed", TotalKbps: kbps(0)},
	}
	onlyOneLink := cmpopts.IgnoreSliceElements(func(o Object) bool { return o.Kind == "link" && o.Name != "lisbon media" })
	if diff := cmp.Diff(want, got.Objects, onlyOneLink); diff != "" {
		t.Error(diff)
	}
	if got.DefaultKbps != 384 || !got.DownspeedPerCall || !got.DownspeedTotal || len(got.Missing) != 0 {
		t.Errorf("got %+v", got)
	}
	if len(got.Remarks) != 1 || got.Remarks[0].Path != "subzones[3]" {
		t.Errorf("remarks %v: want one, about vault", got.Remarks)
	}
}

func TestFull(t *testing.T) {
	for name, test := range map[string]struct {
		o       Object
		percent int
		limited bool
		full    bool
	}{
		"no limit":                       {Object{GrantedKbps: 5}, 0, false, false},
		"no bandwidth, as it is wanted":  {Object{TotalKbps: kbps(0)}, 0, false, false},
		"almost":                         {Object{TotalKbps: kbps(1000), GrantedKbps: 999}, 99, true, false},
		"used up":                        {Object{TotalKbps: kbps(1000), GrantedKbps: 1000}, 100, true, true},
		"beyond, after it was made less": {Object{TotalKbps: kbps(1000), GrantedKbps: 2500}, 250, true, true},
	} {
		percent, limited := test.o.Percent()
		if percent != test.percent || limited != test.limited || test.o.Full() != test.full {
			t.Errorf("%s: %d %%, %t, full %t", name, percent, limited, test.o.Full())
		}
	}
}

// Whatever calls there are: what is measured is on the same objects as what is granted,
// and where each call sends what it was granted, both are the same.
func TestMeasuredIsWhereGrantedIs(t *testing.T) {
	_, n := sites(t)
	nodes := Nodes(n)
	rapid.Check(t, func(t *rapid.T) {
		r, _ := sitesOf(n)
		sent := sending{}
		for range rapid.IntRange(0, 12).Draw(t, "calls") {
			serial := rapid.StringN(1, 8, 8).Draw(t, "serial")
			g, err := r.Admit(serial, resources.Want{Streams: 2, Ways: []resources.Way{{
				From:      resources.Party{Node: rapid.SampledFrom(nodes).Draw(t, "from")},
				To:        resources.Party{Node: rapid.SampledFrom(nodes).Draw(t, "to")},
				Traversal: rapid.Bool().Draw(t, "traversal"),
				Asked:     uint32(rapid.IntRange(1, 3000).Draw(t, "asked")),
			}}})
			if err != nil || sent[serial] != 0 {
				if err == nil {
					g.Release() // serials are unique
				}
				continue
			}
			sent[serial] = g.Granted().Kbps[0]
		}
		for _, o := range Of(r, n, sent).Objects {
			if o.MeasuredKbps != o.GrantedKbps || o.MeasuredCalls != o.Calls {
				t.Fatalf("%s: %d kbps of %d calls are granted, %d of %d measured", o, o.GrantedKbps, o.Calls, o.MeasuredKbps, o.MeasuredCalls)
			}
		}
	})
}

// sitesOf is what a node of a configuration has.
func sitesOf(n *config.Node) (*resources.Resources, error) {
	return resources.New(n, licensing.Installed{}, resources.Deps{})
}
