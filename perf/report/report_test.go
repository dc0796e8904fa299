package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// sample has every part, and both kinds of promise, kept and broken.
func sample() *Report {
	r := &Report{
		Taken: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 90 * time.Second, Command: []string{"bench", "-quick"},
		Kernel: "6.18.0", CPU: "Some CPU", CPUs: 2, Go: "go1.26",
		Problems: []string{"pion: no such thing"},
		Ratios: []Ratio{
			{What: "of the bare limit", Value: .78, Want: .7, Aim: .85},
			{What: "memory per relay", Value: 21.4, Want: 20, AtMost: true, Unit: " KiB"},
		},
	}
	for _, relays := range []int{1, 100, 6000} {
		r.Add(
			Row{Part: Throughput, Target: "limit", Direction: "up", Relays: relays, Peers: 1, Payload: 160, Delivered: 2.5e6, Worst: 2.4e6, Best: 2.6e6, RunNs: 20},
			Row{Part: Throughput, Target: "turnpike-xdp", Direction: "up", Relays: relays, Peers: 1, Payload: 160, Delivered: 1.9e6, Worst: 1.8e6, Best: 2e6, RunNs: 120},
		)
	}
	r.Add(
		Row{Part: Throughput, Target: "turnpike-xdp", Direction: "up", Relays: 6000, Peers: 1, Payload: 1200, Delivered: 1.5e6},
		Row{Part: Throughput, Target: "coturn", Direction: "up", Relays: 6000, Peers: 1, Payload: 160, Delivered: 155e3, CPUNs: 8000},
		Row{Part: NoDrop, Target: "coturn", Direction: "up", Relays: 6000, Peers: 1, Payload: 160, Offered: 82e3},
		Row{Part: Latency, Target: "coturn", Direction: "up", Relays: 6000, Payload: 160, Offered: 41e3, P50: 21.5, P90: 30, P99: 3000, P999: 4000},
		Row{Part: OneCore, Target: "turnpike-xdp", Relays: 6000, Payload: 160, Offered: 600e3, Sent: 3e6, P50: 9, P99: 30},
		Row{Part: Setups, Target: "coturn", Relays: 6000, PerSecond: 4500, P50: 12000, P99: 30000, RSSPerRelay: 18 << 10, RSS: 120 << 20},
		Row{Part: Churn, Target: "turnpike-xdp", Direction: "up", Relays: 5000, PerSecond: 100, Delivered: 1.8e6},
	)
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := sample().Table(&b); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "table.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("table differs (-want +got):\n%s", diff)
	}
}

func TestWriteMakesAllFiles(t *testing.T) {
	for name, r := range map[string]*Report{"full": sample(), "empty": New([]string{"bench"}, time.Now())} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "results")
			if err := r.Write(dir); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"bench.json", "bench.txt", "bench.png"} {
				if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v", file, err)
				}
			}
		})
	}
}

func TestFindTakesTheLargest(t *testing.T) {
	row, ok := sample().Find(Throughput, "limit", "up")
	if !ok || row.Relays != 6000 {
		t.Errorf("got %+v", row)
	}
	if _, ok := sample().Find(Throughput, "limit", "down"); ok {
		t.Error("found what is not there")
	}
}
