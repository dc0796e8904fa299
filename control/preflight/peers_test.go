package preflight

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/settings"
)

// CL-19, CL-21: what only two nodes together can tell.
func TestEachLackBetweenPeersIsFound(t *testing.T) {
	same := settings.Settings{Name: "c1.example.test", Primary: 1, IP: "ipv4", TLS: "permissive", Peers: []string{"a", "b"}, Role: "edge", Platform: "small", Software: "1.0.0", Protocol: 3}
	own := Self{Name: "tp1", Cluster: "x", Settings: same, Keys: "encryption"}
	tests := []struct {
		name   string
		spoil  func(*Peer)
		check  string // "": nothing is missing
		blocks bool
	}{
		{"equal", func(*Peer) {}, "", false},
		{"a port there", func(p *Peer) { p.Unreached = map[uint16]string{4372: "connection refused"} }, "ports", true},
		{"a port here", func(p *Peer) { p.Blocked = map[uint16]string{4371: "timeout"} }, "ports", true},
		{"UDP there", func(p *Peer) { p.UnreachedUDP = map[uint16]string{1719: "silent"} }, "ports", false},
		{"UDP here", func(p *Peer) { p.BlockedUDP = map[uint16]string{1719: "silent"} }, "ports", false},
		{"another list", func(p *Peer) { p.Settings.Peers = []string{"b", "a"} }, "settings", true},
		{"another name of the cluster", func(p *Peer) { p.Settings.Name = "c2.example.test" }, "settings", true},
		{"another primary", func(p *Peer) { p.Settings.Primary = 2 }, "settings", true},
		{"another TLS mode", func(p *Peer) { p.Settings.TLS = "enforce" }, "settings", true},
		{"another role", func(p *Peer) { p.Settings.Role = "core" }, "settings", true},
		{"another platform", func(p *Peer) { p.Settings.Platform = "large" }, "settings", true},
		{"another version", func(p *Peer) { p.Settings.Software = "2.0.0" }, "settings", true},
		{"a protocol far away", func(p *Peer) { p.Settings.Protocol = 1 }, "settings", true},
		{"the same name", func(p *Peer) { p.Name = "TP1" }, "name", false},
		{"NAT between", func(p *Peer) { p.Seen = "192.0.2.1" }, "nat", false},
		{"other feature keys", func(p *Peer) { p.Facts[FactKeys] = "" }, "option-keys", false},
		{"of another cluster", func(p *Peer) { p.Cluster = "y" }, "cluster", false},
		{"of none yet", func(p *Peer) { p.Cluster = "" }, "", false},
		{"its clock is wrong", func(p *Peer) { p.Facts["clock"] = "not synchronised" }, "clock", false},
		{"it told nothing", func(p *Peer) { *p = Peer{Address: "b"} }, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := Peer{
				Address: "b", From: "198.18.0.1", Seen: "198.18.0.1", Told: true, Name: "tp2", Cluster: "x", Settings: same,
				Facts: map[string]string{FactKeys: "encryption"},
			}
			test.spoil(&p)
			var got, want []string
			for _, m := range Peers(own, []Peer{p}) {
				got = append(got, m.Check)
				if m.What == "" || m.Why == "" || m.Do == "" || m.Blocks != test.blocks {
					t.Errorf("it does not say everything, or blocks wrongly: %+v", m)
				}
			}
			if test.check != "" {
				want = []string{test.check}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
