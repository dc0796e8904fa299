package settings_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/settings"
)

// CL-01, CL-10, CL-21: the alarm names the item.
func TestCompare(t *testing.T) {
	own := settings.Settings{
		Name: "cluster1.example.test", Primary: 1, IP: "ipv4", TLS: "permissive", Peers: []string{"10.0.0.1", "10.0.0.2"},
		Role: "core", Platform: "small", Software: "1.0", Protocol: 3,
	}
	for name, tc := range map[string]struct {
		change func(*settings.Settings)
		want   []settings.Difference
	}{
		"equal":              {func(*settings.Settings) {}, nil},
		"name in other case": {func(s *settings.Settings) { s.Name = "Cluster1.Example.test" }, nil},
		"name":               {func(s *settings.Settings) { s.Name = "b.test" }, []settings.Difference{{20012, "cluster.name", "cluster1.example.test", "b.test"}}},
		"primary":            {func(s *settings.Settings) { s.Primary = 2 }, []settings.Difference{{20017, "cluster.primary", "1", "2"}}},
		"IP version":         {func(s *settings.Settings) { s.IP = "ipv6" }, []settings.Difference{{20012, "cluster.ip", "ipv4", "ipv6"}}},
		"TLS mode":           {func(s *settings.Settings) { s.TLS = "enforce" }, []settings.Difference{{20012, "cluster_tls", "permissive", "enforce"}}},
		"order of the list":  {func(s *settings.Settings) { s.Peers = []string{"10.0.0.2", "10.0.0.1"} }, []settings.Difference{{20012, "cluster.peers", "10.0.0.1, 10.0.0.2", "10.0.0.2, 10.0.0.1"}}},
		"shorter list":       {func(s *settings.Settings) { s.Peers = s.Peers[:1] }, []settings.Difference{{20012, "cluster.peers", "10.0.0.1, 10.0.0.2", "10.0.0.1"}}},
		"role and platform": {func(s *settings.Settings) { s.Role, s.Platform = "edge", "medium" }, []settings.Difference{
			{20012, "role", "core", "edge"},
			{20012, "platform", "small", "medium"},
		}},
		"software": {func(s *settings.Settings) { s.Software = "1.1" }, []settings.Difference{{20008, "software", "1.0", "1.1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := own
			tc.change(&theirs)
			if diff := cmp.Diff(tc.want, settings.Compare(own, theirs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// OP-03
func TestNeighbouringProtocols(t *testing.T) {
	for theirs, want := range map[int]bool{1: false, 2: true, 3: true, 4: true, 5: false} {
		if got := settings.Speaks(settings.Settings{Protocol: 3}, settings.Settings{Protocol: theirs}); got != want {
			t.Errorf("3 speaks %d: %t", theirs, got)
		}
	}
}
