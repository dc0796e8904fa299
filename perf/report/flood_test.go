package report

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFloodReport(t *testing.T) {
	r := &Report{
		Taken: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: time.Minute, Command: []string{"bench", "-parts", "flood"},
		Kernel: "6.18.0", CPU: "Some CPU", CPUs: 2, Go: "go1.26", Problems: []string{"coturn arp: no such thing"},
		Floods: []Flood{
			{Kind: "strangers", Text: "media of strangers", Unit: "packets", Target: "alone", Rate: 3e6, Unreached: true, At: []FloodAt{{Offered: 5e4}}},
			{
				Kind: "strangers", Text: "media of strangers", Unit: "packets", Target: "turnpike-xdp", Rate: 2e6, Unreached: true,
				At: []FloodAt{{Rate: 5e4, Offered: 49e3, Asked: 25, Done: 25, P50: 700, P99: 4400, CPU: .06, RSS: 119 << 20, Counters: "xdp stranger 49000"}},
			},
			{
				Kind: "strangers", Text: "media of strangers", Unit: "packets", Target: "coturn", Rate: 169262,
				At: []FloodAt{{Rate: 5e4, Offered: 43e3, Loss: .324, Asked: 25, Done: 24, P50: 534900, P99: 1.4e6, CPU: .9, RSS: 147 << 20}},
			},
			{Kind: "arp", Text: "ARP requests", Unit: "packets", Target: "turnpike-xdp"},
		},
		Scales: []Scale{{Relays: 6000, Channels: 24000, Step: "renew all", Took: 1500 * time.Millisecond, Sent: 80000, Lost: 1, RSS: 236 << 20, Files: 7046}},
	}
	dir := t.TempDir()
	if err := r.WriteFlood(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "flood.txt"))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "flood.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for _, name := range []string{"flood.json", "flood.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
