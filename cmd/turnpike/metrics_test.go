package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/xdp"
)

// The reasons are those of dataplane/relay and dataplane/xdp.
func TestReasonsHaveAKind(t *testing.T) {
	tests := map[string]string{
		"":                            "",
		"the client is on TCP or TLS": "client_stream",
		"dataplane.mode is userspace": "configured",
		"flow table is full":          "table_full",
		"the link address of 192.0.2.9 on s0 is not known yet": "next_hop",
		"no route from 192.0.2.1 to 198.51.100.1":              "next_hop",
		"192.0.2.1 is an address of this node":                 "next_hop",
		"the interface to 192.0.2.9 is gone":                   "interface",
		"interface s0 to 192.0.2.9 is down":                    "interface",
		"cannot redirect to s1: the driver has none":           "interface",
		"no native XDP on s0: the driver has none":             "interface",
		"no interface has the address 192.0.2.1":               "interface",
		"not attached yet":                                     "interface",
		"load XDP program: operation not permitted":            "other",
	}
	for reason, want := range tests {
		if got := kindOf(reason); got != want {
			t.Errorf("%q is of kind %q, want %q", reason, got, want)
		}
	}
}

func TestFlowsByCause(t *testing.T) {
	got := flowsByCause(map[cause]int{
		{relay.PathXDP, ""}: 3,
		{relay.PathUserspace, "no route from 192.0.2.1 to 198.51.100.1"}: 1,
		{relay.PathUserspace, "no route from 192.0.2.1 to 198.51.100.2"}: 2,
	})
	want := []metrics.Flows{{Path: "userspace", Cause: "client_stream"}, {Path: "userspace", Cause: "next_hop", Count: 3}, {Path: "xdp", Count: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A source that gives its place to another takes its count along; the sum must not fall.
func TestHeardRTPNeverFalls(t *testing.T) {
	held := &heldPairs{pairs: map[relay.ID]relay.PairInfo{}}
	all := &totals{Table: held}
	set := func(expected, received uint64) {
		var p relay.PairInfo
		p.ID = 7
		p.Stats[relay.Up].RTP = []relay.RTP{{Expected: expected, Received: received}}
		held.pairs[7] = p
	}
	steps := []struct {
		name                                   string
		expected, received, sumWant, received2 uint64
	}{
		{"first", 100, 90, 100, 90},
		{"goes on", 200, 180, 200, 180},
		{"another source", 10, 10, 200, 180},
		{"goes on again", 30, 25, 220, 195},
	}
	for _, step := range steps {
		set(step.expected, step.received)
		want := rtpSum{step.sumWant, step.received2}
		if got := all.sum().rtp[relay.Up]; got != want {
			t.Errorf("%s: %+v, want %+v", step.name, got, want)
		}
	}
	if _, err := all.Remove(7); err != nil {
		t.Fatal(err)
	}
	if got, want := all.sum().rtp[relay.Up], (rtpSum{220, 195}); got != want {
		t.Errorf("after the end: %+v, want %+v", got, want)
	}
}

func TestTotalsBeginAtZero(t *testing.T) {
	held := &heldPairs{pairs: map[relay.ID]relay.PairInfo{}}
	put := func(packets uint64) {
		var p relay.PairInfo
		p.ID = 1
		p.Stats[relay.Up] = relay.FlowStats{Path: relay.PathXDP, Counters: relay.Counters{Packets: packets}}
		held.pairs[1] = p
	}
	put(1000)
	all := &totals{Table: held}
	all.begin()
	if n := all.sum().carried[relay.Up].kernel.Packets; n != 0 {
		t.Errorf("begins with %d packets", n)
	}
	put(1010)
	if _, err := all.Remove(1); err != nil {
		t.Fatal(err)
	}
	if n := all.sum().carried[relay.Up].kernel.Packets; n != 10 {
		t.Errorf("%d packets after the end, want 10", n)
	}
}

// queues tells what it holds.
type queues struct{ now []xdp.Spread }

func (q *queues) Queues() []xdp.Spread { return q.now }

func TestSpreadNeverFalls(t *testing.T) {
	from := &queues{}
	var s spread
	steps := []struct {
		name string
		over xdp.Over
		now  []uint64
		want []uint64
	}{
		{"before the start", xdp.OverCPUs, []uint64{100, 50}, []uint64{0, 0}},
		{"both", xdp.OverCPUs, []uint64{110, 55}, []uint64{10, 5}},
		{"a flow ended", xdp.OverCPUs, []uint64{20, 56}, []uint64{10, 6}},
		{"and on", xdp.OverCPUs, []uint64{21, 56}, []uint64{11, 6}},
		{"another device", xdp.OverQueues, []uint64{3}, []uint64{3}},
	}
	for _, step := range steps {
		from.now = []xdp.Spread{{Interface: "s0", Over: step.over, Packets: step.now}}
		want := []xdp.Spread{{Interface: "s0", Over: step.over, Packets: step.want}}
		if diff := cmp.Diff(want, s.add(from)); diff != "" {
			t.Errorf("%s:\n%s", step.name, diff)
		}
	}
}

// AL-02: what syslog servers did not take is counted, also of a server that is no more.
func TestUnsentNeverFalls(t *testing.T) {
	var u unsent
	steps := []struct {
		name    string
		servers []eventlog.ServerStatus
		want    uint64
	}{
		{"none", nil, 0},
		{"two", []eventlog.ServerStatus{{Address: "a:514", Lost: 3}, {Address: "b:514", Lost: 1}}, 4},
		{"more", []eventlog.ServerStatus{{Address: "a:514", Lost: 5}, {Address: "b:514", Lost: 1}}, 6},
		{"one is gone", []eventlog.ServerStatus{{Address: "a:514", Lost: 5}}, 6},
		{"it is back, anew", []eventlog.ServerStatus{{Address: "a:514", Lost: 6}, {Address: "b:514", Lost: 2}}, 9},
	}
	for _, step := range steps {
		if got := u.add(step.servers); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
}
