package top

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/dataplane/relay"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func carried(packets, bytes uint64) relay.Carried {
	return relay.Carried{Packets: packets, Bytes: bytes}
}

func TestBetween(t *testing.T) {
	from := api.Traffic{
		At:    noon,
		Paths: []api.PathTraffic{{Path: "xdp", Direction: "up", Carried: carried(100, 1000)}, {Path: "xdp", Direction: "down", Carried: relay.Carried{Policed: 4}}},
		Interfaces: []api.InterfaceTraffic{{
			Link:   machine.Link{Name: "s0", Receive: machine.Side{Packets: 10, Bytes: 100, Dropped: 1}},
			Spread: api.Spread{Over: "queues", Packets: []uint64{5, 5}},
		}},
		Reasons: []api.Reason{
			{Reason: "forwarded", Verdict: "forward", Path: "xdp", Packets: 100},
			{Reason: "stranger", Verdict: "drop", Path: "xdp", Packets: 50},
			{Reason: "no_flow", Verdict: "pass", Path: "xdp", Packets: 5},
		},
		Losses:  []machine.Loss{{Reason: "ring_full", Interface: "s0", Packets: 7}, {Reason: "budget_spent", Late: true, Packets: 1}},
		Relays:  []api.RelayTraffic{{ID: 1, Up: carried(1000, 8000), Expected: 1000, Received: 990}, {ID: 2}},
		Program: &api.Runs{ID: 9, Count: 10, Nanoseconds: 1000},
	}
	to := api.Traffic{
		At:    noon.Add(2 * time.Second),
		Paths: []api.PathTraffic{{Path: "xdp", Direction: "up", Carried: carried(300, 2000)}, {Path: "xdp", Direction: "down", Carried: relay.Carried{Packets: 2, Policed: 8}}},
		Interfaces: []api.InterfaceTraffic{{
			Link: machine.Link{Name: "s0", Receive: machine.Side{Packets: 30, Bytes: 300, Dropped: 2}, Transmit: machine.Side{Dropped: 3}},
			Path: "xdp", Mode: "native", Spread: api.Spread{Over: "queues", Packets: []uint64{11, 7}},
		}},
		Reasons: []api.Reason{
			{Reason: "forwarded", Verdict: "forward", Path: "xdp", Packets: 300},
			{Reason: "stranger", Verdict: "drop", Path: "xdp", Packets: 60},
			{Reason: "no_flow", Verdict: "pass", Path: "xdp", Packets: 1},
		},
		Losses: []machine.Loss{{Reason: "ring_full", Interface: "s0", Packets: 27}, {Reason: "budget_spent", Late: true, Packets: 5}},
		Relays: []api.RelayTraffic{
			{ID: 1, User: "u", Path: "xdp", Up: carried(1010, 8010), Expected: 1100, Received: 1065}, {ID: 3, Down: carried(2, 2)},
		},
		Program: &api.Runs{ID: 9, Count: 30, Nanoseconds: 5000},
	}
	want := Rates{
		At:    noon.Add(2 * time.Second),
		Paths: []PathRate{{Path: "xdp", Up: Rate{100, 4000}, Down: Rate{1, 0}, Policed: 2}},
		Interfaces: []InterfaceRate{{
			Name: "s0", Path: "xdp", Mode: "native", Receive: Rate{10, 800}, Dropped: 2, Over: "queues", Spread: []float64{3, 1},
		}},
		Reasons: []ReasonRate{
			{Path: "machine", Reason: "ring_full s0", Verdict: "drop", PerSecond: 10},
			{Path: "xdp", Reason: "stranger", Verdict: "drop", PerSecond: 5},
			{Path: "machine", Reason: "budget_spent", Verdict: "late", PerSecond: 2},
		},
		Relays: []RelayRate{
			{ID: 1, User: "u", Path: "xdp", Up: Rate{5, 40}, Lost: 25, HasRTP: true},
			{ID: 3, Down: Rate{1, 8}},
		},
		Program: Runs{PerSecond: 10, Nanoseconds: 200},
	}
	if diff := cmp.Diff(want, Between(from, to)); diff != "" {
		t.Error(diff)
	}
	if got := want.Interfaces[0].Imbalance(); got != 1.5 {
		t.Errorf("imbalance %v, want 1.5", got)
	}
	if got := want.Program.Share(); got != 2e-6 {
		t.Errorf("share %v", got)
	}
}

func TestWhatBeganAnewHasNoRate(t *testing.T) {
	from := api.Traffic{
		At: noon, Paths: []api.PathTraffic{{Path: "xdp", Direction: "up", Carried: carried(100, 100)}},
		Interfaces: []api.InterfaceTraffic{{Link: machine.Link{Name: "s0"}, Spread: api.Spread{Over: "cpus", Packets: []uint64{9}}}},
		Program:    &api.Runs{ID: 1, Count: 10},
	}
	to := api.Traffic{
		At: noon, Paths: []api.PathTraffic{{Path: "xdp", Direction: "up", Carried: carried(10, 10)}},
		Interfaces: []api.InterfaceTraffic{{Link: machine.Link{Name: "s0"}, Spread: api.Spread{Over: "queues", Packets: []uint64{5, 5}}}},
		Program:    &api.Runs{ID: 2, Count: 99},
	}
	got := Between(from, to)
	if got.Paths[0].Up.Packets != 0 || got.Interfaces[0].Imbalance() != 0 || got.Program.PerSecond != 0 || got.Program.Share() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", 0.5: "0.50", 3: "3", 999: "999", 999.9: "1k", 1234: "1.23k", 12345: "12.3k", 123456: "123k", 9999: "10.0k", 2.5e9: "2.50G", 7e15: "7000T",
	} {
		if got := short(n); got != want {
			t.Errorf("%v: %s, want %s", n, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		width  int
		want   string
	}{
		{"none", nil, 5, ""},
		{"nothing", []float64{0, 0}, 5, "  "},
		{"all heights", []float64{1, 2, 3, 4, 5, 6, 7, 8}, 8, "▂▃▄▅▆▇██"},
		{"the last", []float64{1, 8, 4}, 2, "█▅"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := spark(test.values, test.width); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestFit(t *testing.T) {
	columns := []column{{width: 5}, {width: 5, rank: 2}, {width: 5, rank: 1}, {width: 5, rank: 2}}
	for width, want := range map[int][]int{100: {0, 1, 2, 3}, 23: {0, 1, 2, 3}, 22: {0, 2}, 11: {0, 2}, 10: {0}, 1: {0}} {
		if diff := cmp.Diff(want, fit(columns, width)); diff != "" {
			t.Errorf("%d: %s", width, diff)
		}
	}
}
