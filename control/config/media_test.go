package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sipNode is the part of a node file that other tools write for calls; it must go on
// meaning what it means here.
const sipNode = `system: {name: tp1, role: E, platform: Large}
interfaces: {internal: {name: s0}, external: {name: s1}}
sip: {mode: on, udp: 5060, tcp: 5060, tls: 5061}
domains: [example.test]
accounts: [{name: alice, password: secret}, {name: bob, password: secret}]
zones: [{name: out, type: neighbour, protocol: sip, peers: ["198.18.2.2:5070"], monitor: off}, {name: in, type: neighbour, protocol: sip, peers: ["198.18.1.2:5062"], monitor: off}]
search_rules: [{name: out, priority: 100, pattern: {type: any}, target: out}, {name: local, priority: 50, pattern: {type: any}, target: local}]
`

func TestNodeFileForCalls(t *testing.T) {
	n, err := Parse("n", []byte(sipNode))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"ports": []Port{n.SIP.UDP, n.SIP.TCP, n.SIP.TLS}, "domains": n.Domains, "accounts": len(n.Accounts),
		"peer": n.Zones[0].Peers[0].String(), "monitor": n.Zones[1].Monitor, "media": n.Zones[0].Media,
		"trusted": n.Zones[0].SIP.Trusted, "refer": n.ReferFrom("out"), "range": n.Media.Ports,
		"timeout": n.SIP.MediaTimeout, "calls": n.MaxCalls(), "registrations": n.MaxRegistrations(),
		"target": n.SearchRules[1].Target, "records": n.RecordsFile(), "nat": []Switch{n.DefaultSubzone.NAT, n.DefaultZone.NAT},
	}
	want := map[string]any{
		"ports": []Port{5060, 5060, 5061}, "domains": []string{"example.test"}, "accounts": 2,
		"peer": "198.18.2.2:5070", "monitor": Switch(false), "media": MediaAuto,
		"trusted": Switch(false), "refer": ReferRefuse, "range": PortRange{36000, 59999},
		"timeout": Seconds(300), "calls": 1000, "registrations": 5000,
		"target": "local", "records": "/var/lib/turnpike/calls.jsonl", "nat": []Switch{true, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCallItemsAgainstEachOther(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"odd start", "media: {ports: {start: 36001}}", "write 36002"},
		{"even end", "media: {ports: {end: 60000}}", "write 59999"},
		{"too far", "media: {ports: {end: 65535}}", "end up to 65533"},
		{"relays", "sip: {mode: on}\nturn: {mode: on, media_ports: {start: 40000, end: 40999}}", "keep calls and relays apart"},
		{"signalling", "sip: {mode: on, udp: 36100}", "keep signalling and media apart"},
		{"limit", "registrations: {max: 9}", "registrations.max is for platform custom"},
		{"records", "calls: {records: here}", "not an absolute path"},
		{"timeout", "sip: {media_timeout: 5}", "write 10 to 86400"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\n"+test.text+"\n"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
