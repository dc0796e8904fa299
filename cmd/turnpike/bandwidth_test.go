package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/cli"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
)

// offices is a node file with subzones, links and pipes of every kind.
const offices = "../../control/occupancy/testdata/sites.yaml"

// cannedOccupancy is a node with calls that send as they do.
type cannedOccupancy struct {
	*node
	sent callRates
}

func (c cannedOccupancy) Bandwidth() occupancy.Report {
	return occupancy.Of(c.resources, c.running(), c.sent)
}

// occupied is a node of offices with three calls.
func occupied(t *testing.T) cannedOccupancy {
	t.Helper()
	n := storedNode(t, offices, t.TempDir())
	c := cannedOccupancy{node: n, sent: callRates{"in lisbon": 830, "to strangers": 1012}}
	for _, call := range []struct {
		serial, from, to string
		kbps             uint32
		traversal        bool
	}{
		{"in lisbon", "lisbon", "lisbon", 1000, true},
		{"past the node", "lisbon", "porto", 1500, false},
		{"to strangers", "porto", "DefaultZone", 1000, true},
	} {
		_, err := n.resources.Admit(call.serial, resources.Want{Streams: 2, Ways: []resources.Way{{
			From: resources.Party{Node: call.from}, To: resources.Party{Node: call.to}, Traversal: call.traversal, Asked: call.kbps,
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestBandwidthOutput holds what the commands of bandwidth print.
// BW-01, BW-02, BW-03
func TestBandwidthOutput(t *testing.T) {
	state := serveAPI(t, api.New(newCanned(), nil).Measure(occupied(t)))
	for _, test := range []struct {
		name string
		args []string
		code int
	}{
		{"show", []string{"show"}, 3}, // porto's line is used up
		{"show_all", []string{"show", "--all"}, 3},
		{"show_named", []string{"show", "lisbon line", "vault"}, 0},
		{"links", []string{"links"}, 0},
		{"check", []string{"check", "lisbon", "partner", "2000", "--traversal"}, 1},
		{"check_default", []string{"check", "DefaultSubZone", "DefaultZone"}, 0},
		{"check_less", []string{"check", "lisbon", "DefaultZone", "5000"}, 0},
		{"check_twice", []string{"check", "lisbon", "lisbon", "2000", "--traversal"}, 0},
		{"check_nothing_left", []string{"check", "porto", "lisbon", "64"}, 1},
		{"check_no_way", []string{"check", "vault", "porto"}, 1},
		{"check_file", []string{"check", "porto", "lisbon", "1000", "-c", offices}, 0},
	} {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append([]string{"bandwidth", "--state", state, "-o", format}, test.args...), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("bandwidth", test.name+"."+format), out.String())
			})
		}
	}
}

// BW-04, BW-05: a node that shares with peers says what it has at once and what the cluster has left, for which calls wait.
func TestBandwidthCheckOfShared(t *testing.T) {
	c := lentOffices(t)
	state := serveAPI(t, api.New(newCanned(), nil).Measure(c))
	for _, test := range []struct {
		name string
		args []string
		code int
	}{
		{"check_waits", []string{"check", "lisbon", "DefaultZone", "2500"}, 0},
		{"check_waits_less", []string{"check", "lisbon", "lisbon", "2000", "--traversal"}, 0},
		{"check_none_in_cluster", []string{"check", "porto", "lisbon", "64"}, 1},
	} {
		for _, format := range []string{"table", "json"} {
			t.Run(test.name+"_"+format, func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append([]string{"bandwidth", "--state", state, "-o", format}, test.args...), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("bandwidth", test.name+"."+format), out.String())
			})
		}
	}
}

// lentOffices is the node of offices with three calls, that shares the lines with peers: they use 2000 kbit/s of
// lisbon's line, and nothing of porto's.
func lentOffices(t *testing.T) cannedOccupancy {
	t.Helper()
	c := occupied(t)
	lease := admission.NewLease(func() time.Duration { return 0 })
	lease.Extend(time.Second)
	c.resources.Lend(lease)
	for name, share := range map[string][2]uint32{"pipe lisbon line": {5500, 8000}, "pipe porto line": {2000, 2000}, "subzone lisbon": {10000, 10000}, "subzone TraversalSubZone": {20000, 20000}} {
		c.resources.Leased(name, true)
		c.resources.Lower(name, 0)
		c.resources.Raise(name, share[0])
	}
	c.resources.Share(full{})
	c.resources.Whole(map[string]resources.InCluster{"pipe lisbon line": {Shared: resources.Shared{Ceiling: 8000, Used: 2000}}})
	return c
}

// full is a cluster that has no more.
type full struct{}

func (full) Offer(resources.Offer) {}

func (full) Cause(resources.Unmet) resources.Cause { return resources.UsedUp }

func TestBandwidthErrors(t *testing.T) {
	state := serveAPI(t, api.New(newCanned(), nil).Measure(occupied(t)))
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"check lisbon", 2, "turnpike bandwidth check --help"},
		{"check lisbon lisbno", 1, "did you mean lisbon?"},
		{"check lisbon local", 1, "all subzones"},
		{"check lisbon porto 0", 2, "from 1 to 100000000"},
		{"check lisbon porto 2M", 2, "whole number"},
		{"check lisbon porto -c none.yaml", 1, "no such file"},
		{"show nothing", 1, "turnpike bandwidth show --all"},
		{"links x", 2, "turnpike bandwidth links --help"},
	} {
		err := run(t.Context(), append([]string{"bandwidth", "--state", state}, strings.Fields(test.args)...), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), test.want) || exitCode(err) != test.code {
			t.Errorf("%s: exit code %d, got %v, want %d and something with %q", test.args, exitCode(err), err, test.code, test.want)
		}
	}
}

// A shell is offered the names that fit.
func TestBandwidthCompletion(t *testing.T) {
	state := serveAPI(t, api.New(newCanned(), nil).Measure(occupied(t)))
	ends := []string{"ClusterSubZone", "DefaultSubZone", "DefaultZone", "TraversalSubZone", "lisbon", "partner", "porto", "vault"}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"the first end":               {[]string{"check", ""}, ends},
		"the second, the same or not": {[]string{"check", "lisbon", ""}, ends},
		"what it asks for":            {[]string{"check", "lisbon", "porto", ""}, nil},
		"of a file":                   {[]string{"check", "-c", offices, "lisbon", ""}, ends},
		"no file":                     {[]string{"check", "-c", "none.yaml", ""}, nil},
		"pipes too":                   {[]string{"show", "vault", "porto l"}, []string{"porto line"}},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"__complete", "--state", state, "bandwidth"}, test.args...), &out); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") && !strings.HasPrefix(word, "Completion") {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestXBandwidth holds what the second command language says of bandwidth (facts A1.5, A6).
func TestXBandwidth(t *testing.T) {
	sh := newShell(occupied(t).node)
	for name, line := range map[string]string{
		"links":         `xStatus Links`,
		"pipes":         `xStatus Pipes`,
		"local_zone":    `xStatus Zones LocalZone`,
		"check":         `xCommand CheckBandwidth Node1: "lisbon" Node2: "DefaultZone" Bandwidth: 2000 CallType: NonTraversal`,
		"check_less":    `xcommand checkbandwidth node1: lisbon node2: DefaultZone bandwidth: 4000 calltype: traversal`,
		"check_refused": `xCommand CheckBandwidth Node1: "porto" Node2: "lisbon" Bandwidth: 64 CallType: NonTraversal`,
		"check_help":    `xCommand CheckBandwidth ?`,
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := sh.Run(t.Context(), line, cli.Caller{User: "test"})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("xbandwidth", name+".txt"), answer.Text)
		})
	}
	for line, want := range map[string]error{
		`xCommand CheckBandwidth Node1: a Node2: b Bandwidth: 0 CallType: Traversal`:  cli.ErrUsage,
		`xCommand CheckBandwidth Node1: a Node2: b Bandwidth: 1 CallType: Direct`:     cli.ErrUsage,
		`xCommand CheckBandwidth Node1: a Node2: b Bandwidth: 1`:                      cli.ErrUsage,
		`xCommand CheckBandwidth Node1: no Node2: b Bandwidth: 1 CallType: Traversal`: occupancy.ErrNode,
	} {
		if _, err := sh.Run(t.Context(), line, cli.Caller{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A shipped link that is taken out is an alarm until it is back (BW-01, facts A1.3).
func TestMissingLinks(t *testing.T) {
	n := storedNode(t, office, t.TempDir())
	all := slices.Clone(n.config.Links)
	for _, test := range []struct {
		name  string
		links []config.Link
		peers []string
		want  []int
	}{
		{"as shipped", all, nil, nil},
		{"none", nil, nil, []int{45002, 45006, 45008}},
		{"one", []config.Link{{Name: "renamed", Node1: config.TraversalSubzoneName, Node2: config.DefaultSubzoneName}}, nil, []int{45006, 45008}},
		{"in a cluster", all, []string{"192.0.2.1", "192.0.2.2"}, []int{45007}},
		{"restored", all, nil, nil},
	} {
		n.config = n.config.Clone()
		n.config.Links, n.config.Cluster.Peers = test.links, test.peers
		n.tellLinks()
		var got []int
		for _, a := range n.board.List() {
			if a.Stands() {
				got = append(got, a.Number)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		for _, number := range got {
			if k, _ := alarms.Find(number); k.Proof == "" {
				t.Errorf("%d does not say what proves it", number)
			}
		}
	}
}

// What is used up is told once, and so is that some is left again.
func TestFullIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	log, err := eventlog.New(eventlog.Config{Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	n := occupied(t).node
	n.log = log
	n.tellFull()
	n.tellFull()
	if err := n.resources.Change(withTotal(n.config, 5000), licensing.Installed{}); err != nil {
		t.Fatal(err)
	}
	n.tellFull()
	n.tellFull()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`Event="Bandwidth Limit Reached" Detail="pipe porto line: 2000 of 2000 kbit/s are granted to 2 calls"`,
		`Event="Bandwidth Left Again" Detail="pipe porto line"`,
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want one %s in\n%s", want, out.String())
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

// withTotal is a configuration whose pipes have another total.
func withTotal(n *config.Node, kbps int) *config.Node {
	n = n.Clone()
	for i := range n.Pipes {
		n.Pipes[i].Total.Kbps = kbps
	}
	return n
}

// What a call sends is the larger of its directions, as a grant is for each; a call whose
// media passes the node by is not measured.
func TestMeterReadsTheBook(t *testing.T) {
	n := callingNode(t)
	m := n.meter()
	for _, c := range n.calls.Calls() {
		want := max(c.Media.MeasuredKbps.FromCaller, c.Media.MeasuredKbps.FromCallee)
		if kbps, known := m.Measured(c.Serial); !known || kbps != want || want == 0 {
			t.Errorf("%d, %t, want %d", kbps, known, want)
		}
	}
	for _, c := range n.calls.EndedCalls() {
		if _, known := m.Measured(c.Serial); known {
			t.Error("a call that has ended is measured")
		}
	}
	if _, known := measuredKbps(calls.Call{}); known {
		t.Error("a call is measured that does not pass the node")
	}
}
