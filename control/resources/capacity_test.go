package resources

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

// CA-02: what a cluster carries, by peers, model and platform.
func TestClusterCapacity(t *testing.T) {
	var b strings.Builder
	fmt.Fprintln(&b, "platform peers model counts registrations video/audio rms proxied relays")
	for _, p := range []config.PlatformName{config.PlatformCE1200, config.PlatformLarge, config.PlatformMedium, config.PlatformSmall} {
		for peers := 1; peers <= 6; peers++ {
			for _, model := range []config.Redundancy{config.RedundancyClassic, config.RedundancyFourPlusOne, config.RedundancyFivePlusOne} {
				if peers > model.Peers() {
					continue
				}
				n := nodeOf(t, fmt.Sprintf("system: {name: tp1, platform: %s}\n", p))
				n.Redundancy, n.Cluster.Peers = model, make([]string, peers)
				c := ClusterCapacityOf(p, n)
				fmt.Fprintln(&b, p, peers, model, c.Counts, c.Registrations, fmt.Sprintf("%d/%d", c.Units/c.Video, c.Units/c.Audio), c.HalfRMS/2, c.Proxied, c.Relays)
			}
		}
	}
	golden := filepath.Join("testdata", "capacity.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("go test -update writes it anew: %s", diff)
	}
}

// CA-02: peers share out the cluster's capacity where it is less than theirs together, and nothing of it otherwise.
func TestCapacityIsShared(t *testing.T) {
	n := nodeOf(t, "system: {name: tp1, platform: Small}\ncluster: {peers: [192.0.2.1, 192.0.2.2]}\n")
	r := newResources(t, n, Deps{})
	var told pool
	r.Share(&told)
	if got := told.last.Capacity; got[WholeCalls] != told.last.CallUnits*40/2 && got[WholeRegistrations] != 2000 || len(got) != 4 {
		t.Errorf("two small ones share %v", got)
	}
	lend(r, map[string]uint32{WholeCalls: 0})
	call := one(way(phone("DefaultSubZone"), phone("DefaultSubZone"), 64))
	call.Patient = true
	_, err := r.Admit("1", call)
	if got := refusal(t, err); got.Waits == nil || got.Why != OverCapacity {
		t.Errorf("%+v", got)
	}
	r.Raise(WholeCalls, told.last.Capacity[WholeCalls])
	admitted(t, r, "1", call).Release()
	large := newResources(t, nodeOf(t, "cluster: {peers: [192.0.2.1, 192.0.2.2]}\n"), Deps{})
	large.Share(&told)
	if len(told.last.Capacity) != 0 || told.last.Most[LevelRMS] != 2000 {
		t.Errorf("two large ones share %v, and licences up to %v", told.last.Capacity, told.last.Most)
	}
}

// CA-02: relays are the node's and the cluster's; what is taken of both is given back to both.
func TestRelaysOfTheCluster(t *testing.T) {
	n := nodeOf(t, "system: {name: tp1, platform: Small}\ncluster: {peers: [192.0.2.1, 192.0.2.2]}\n")
	r := newResources(t, n, Deps{})
	relays := r.Relays()
	left := func(want uint32, when string) {
		t.Helper()
		if got := relays.Left(); got != want {
			t.Errorf("%s %d are left, want %d", when, got, want)
		}
	}
	left(1800, "alone")
	var told pool
	r.Share(&told)
	lend(r, map[string]uint32{WholeRelays: 2})
	left(2, "of the cluster's")
	if !relays.Take(2) || relays.Take(1) {
		t.Error("not two were taken")
	}
	left(0, "after two")
	if !relays.Keep(1) {
		t.Error("what an earlier process left is not counted")
	}
	lend(r, map[string]uint32{WholeRelays: 5})
	left(2, "when there are more")
	relays.Give(3)
	left(5, "when all have gone")
}
