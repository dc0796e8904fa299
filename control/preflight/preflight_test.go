package preflight

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

// ready is a node that lacks nothing.
func ready(t *testing.T) Facts {
	t.Helper()
	n, err := config.Parse("node.yaml", []byte(`
system: {name: tp1, host_name: tp1, domain: example.org}
interfaces: {internal: {name: eth0}, external: {name: eth1, static_nat: 192.0.2.1}}
dns: {servers: [198.18.0.53]}
calls: {routed_mode: optimal}
zones: [{name: branch, type: neighbour, peers: [198.18.9.1]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	return Facts{
		Config: n, Reset: true, ClockInStep: true, OwnAddresses: []netip.Addr{netip.MustParseAddr("198.18.0.1")},
		Interfaces: []Interface{
			{Name: "eth0", Up: true, SpeedMbps: 1000, Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.0.1/24")}},
			{Name: "eth1", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.1.1/24")}, Gateway: true},
		},
	}
}

// CL-19
func TestEachLackIsFound(t *testing.T) {
	single := func(f *Facts) {
		f.Config.Interfaces.Internal = nil
		f.Config.Interfaces.External.StaticNAT = netip.Addr{}
	}
	tests := []struct {
		name  string
		spoil func(*Facts)
		check string // "": nothing is missing
	}{
		{"ready", func(*Facts) {}, ""},
		{"ready with one interface", single, ""},
		{"a member already", func(f *Facts) { f.Config.Cluster.Peers = []string{"198.18.0.1", "198.18.0.2"} }, "reset"},
		{"a member that runs as one", func(f *Facts) {
			f.Config.Cluster.Peers, f.Member, f.Reset = []string{"198.18.0.1", "198.18.0.2"}, true, false
		}, ""},
		{"a cluster of one", func(f *Facts) { f.Config.Cluster.Peers = []string{"198.18.0.1"} }, ""},
		{"configured", func(f *Facts) { f.Reset = false }, "reset"},
		{"key alarm", func(f *Facts) { f.KeyAlarm = true }, "system-key"},
		{"no host name", func(f *Facts) { f.Config.System.HostName = "" }, "host-name"},
		{"no domain", func(f *Facts) { f.Config.System.Domain = "" }, "host-name"},
		{"no DNS server", func(f *Facts) { f.Config.DNS.Servers = nil }, "dns"},
		{"the machine's DNS server", func(f *Facts) {
			f.Config.DNS.Servers, f.SystemDNS = nil, []netip.Addr{netip.MustParseAddr("127.0.0.53")}
		}, ""},
		{"clock", func(f *Facts) { f.ClockInStep = false }, "clock"},
		{"H.323 off", func(f *Facts) { f.Config.H323.Mode = false }, "h323"},
		{"always routed", func(f *Facts) { f.Config.Calls.RoutedMode = config.RoutedAlways }, "signalling-optimisation"},
		{"no interface", func(f *Facts) { f.Config.Interfaces = config.Interfaces{} }, "interface"},
		{"interface that is not there", func(f *Facts) { f.Interfaces = f.Interfaces[1:] }, "interface"},
		{"interface down", func(f *Facts) { f.Interfaces[0].Up = false }, "interface"},
		{"no address", func(f *Facts) { f.Interfaces[0].Addresses = nil }, "interface"},
		{"link-local address", func(f *Facts) { f.Interfaces[0].Addresses[0] = netip.MustParsePrefix("169.254.1.1/16") }, "interface"},
		{"address of the other version", func(f *Facts) { f.Config.Cluster.IP = config.IPv6 }, "interface"},
		{"speed", func(f *Facts) { f.Interfaces[0].SpeedMbps = 10 }, "interface"},
		{"one interface without a gateway", func(f *Facts) { single(f); f.Interfaces[1].Gateway = false }, "interface"},
		{"one interface behind NAT", func(f *Facts) { f.Config.Interfaces.Internal = nil }, "nat"},
		{"a peer as neighbour", func(f *Facts) { f.Config.Cluster.Peers = []string{"198.18.9.1"} }, "zones"},
		{"the node itself as neighbour", func(f *Facts) { f.Config.Zones[0].Peers[0].Host = "198.18.0.1" }, "zones"},
	}
	shown := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := ready(t)
			test.spoil(&f)
			var got []string
			for _, m := range Check(f) {
				got = append(got, m.Check)
				if m.What == "" || m.Why == "" || m.Do == "" {
					t.Errorf("it does not say everything: %+v", m)
				}
			}
			var want []string
			if test.check != "" {
				want = []string{test.check}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			shown[test.check] = true
		})
	}
	for _, name := range Names() {
		if !shown[name] {
			t.Errorf("no test spoils %s", name)
		}
	}
}
