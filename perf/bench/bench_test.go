package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/perf/gen"
	"turnpike.dev/turnpike/perf/report"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, args, wantErr string
		targets             []string
		rounds              int
	}{
		{"everything", "", "", allTargets, full.rounds},
		{"quick", "-quick -targets limit,coturn", "", []string{"limit", "coturn"}, brief.rounds},
		{"floods", "-parts flood -kinds 401-one,arp", "", allTargets, full.rounds},
		{"unknown kind", "-parts flood -kinds rain", `unknown kind "rain"`, nil, 0},
		{"floods beside others", "-parts flood,sweep", `unknown part "flood"`, nil, 0},
		{"unknown target", "-targets nginx", `unknown target "nginx"`, nil, 0},
		{"unknown part", "-parts all", `unknown part "all"`, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parse(append([]string{"bench"}, strings.Fields(tt.args)...))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.targets, o.targets); diff != "" || o.plan.rounds != tt.rounds {
				t.Errorf("rounds %d, targets (-want +got):\n%s", o.plan.rounds, diff)
			}
		})
	}
}

func TestPromises(t *testing.T) {
	r := new(report.Report)
	if got := promises(r); len(got) != 0 {
		t.Errorf("promises without measurements: %+v", got)
	}
	r.Add(
		report.Row{Part: report.Throughput, Target: limitTarget, Direction: up, Relays: 6000, PerCore: 3e6},
		report.Row{Part: report.Throughput, Target: xdpTarget, Direction: up, Relays: 1, PerCore: 9e6},
		report.Row{Part: report.Throughput, Target: xdpTarget, Direction: up, Relays: 6000, PerCore: 2.4e6, Delivered: 2.4e6},
		report.Row{Part: report.Throughput, Target: coturnTarget, Direction: up, Relays: 6000, Delivered: 2e5},
		report.Row{Part: report.OneCore, Target: xdpTarget, Direction: both, Relays: 6000, Lost: 3},
	)
	type verdict struct {
		Value float64
		Met   bool
	}
	got := make(map[string]verdict)
	for _, x := range promises(r) {
		got[x.What] = verdict{x.Value, x.Met()}
	}
	want := map[string]verdict{
		"of the bare limit, 6000 relays, up":                     {.8, true},
		"times coturn flat out, client to peer":                  {12, true},
		"packets lost, 6000 relays × 50/s both ways on one core": {3, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("promises (-want +got):\n%s", diff)
	}
}

func TestQuickFloodsExist(t *testing.T) {
	if _, err := chooseKinds(strings.Join(brief.floods, ","), full); err != nil {
		t.Error(err)
	}
	kinds, err := chooseKinds("", full)
	if err != nil || len(kinds) <= len(brief.floods) {
		t.Errorf("all kinds: %v, %v", kinds, err)
	}
}

// What grew is named without what was relayed or what the system counts.
func TestCountersSince(t *testing.T) {
	before := readCounters("turnpike_relay_exits_total{path=\"xdp\",reason=\"stranger\",verdict=\"drop\"} 5\n")
	after := readCounters(`turnpike_relay_exits_total{path="xdp",reason="stranger",verdict="drop"} 15
turnpike_relay_exits_total{path="xdp",reason="forwarded",verdict="forward"} 1000
turnpike_turn_connections_refused_total{reason="idle"} 3
turnpike_turn_requests_total{method="Allocate"} 2
turnpike_interface_packets_total{interface="s0"} 1e6
turnpike_ready 1
`)
	want := []string{"xdp stranger 10", "connections_refused{idle} 3"}
	if diff := cmp.Diff(want, after.since(before, 2)); diff != "" {
		t.Errorf("grown (-want +got):\n%s", diff)
	}
}

func TestMedianRow(t *testing.T) {
	var os []outcome
	for _, rate := range []float64{5, 1, 3} {
		os = append(os, outcome{delivered: rate, flows: 8, demand: demand{direction: both, relays: 2}})
	}
	row := medianRow(report.Throughput, "x", os)
	if row.Delivered != 3 || row.Worst != 1 || row.Best != 5 || row.Peers != 2 {
		t.Errorf("got %+v", row)
	}
}

func TestLoss(t *testing.T) {
	for _, tt := range []struct {
		name           string
		sent, received uint64
		want           float64
	}{
		{"none", 10, 10, 0},
		{"half", 10, 5, .5},
		{"nothing sent", 0, 0, 1},
		{"more than sent", 10, 11, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := outcome{sent: gen.Result{Sent: tt.sent, Elapsed: time.Second}, received: tt.received}
			if got := o.loss(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
