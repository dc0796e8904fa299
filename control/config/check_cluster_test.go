package config

import (
	"strings"
	"testing"
)

// CL-01, CL-05, CL-08, RG-07: what cannot work in a cluster is refused, whichever side of it is changed.
func TestClusterIsChecked(t *testing.T) {
	const six = "[a.test, b.test, c.test, d.test, e.test, f.test]"
	for _, test := range []struct{ name, text, want string }{
		{"six peers", "cluster: {primary: 6, peers: " + six + "}", ""},
		{"seven peers", "cluster: {peers: [g.test, " + six[1:] + "}", "6"},
		{"no such primary", "cluster: {primary: 2, peers: [a.test]}", "name a place in the list of peers"},
		{"a gap", `cluster: {peers: [a.test, "", b.test]}`, "leave no gaps"},
		{"twice", "cluster: {peers: [a.test, A.test]}", "this peer is there twice"},
		{"addresses", "cluster: {peers: [192.0.2.1, 192.0.2.2]}", ""},
		{"addresses of the other version", "cluster: {ip: ipv6, peers: [192.0.2.1]}", "no address of ipv6"},
		{"IPv6", "cluster: {ip: ipv6, peers: ['2001:db8::1']}", ""},
		{"addresses in Enforce", "cluster: {peers: [192.0.2.1]}\ncluster_tls: enforce", "write the peer's FQDN"},
		{"names in Enforce", "cluster: {peers: [a.test]}\ncluster_tls: enforce", ""},
		{"no port", "cluster: {recovery_port: off}", "peers need both"},
		{"one port for both", "cluster: {port: 4400, recovery_port: 4400}", "use 4372 and 4371"},
		{"too few source ports", "cluster: {source_ports: {start: 30000, end: 30050}}", "100 ports or more"},
		{"source ports where peers listen", "cluster: {source_ports: {start: 4000, end: 4999}}", "where peers listen"},
		{"source ports where media is", "sip: {mode: on}\ncluster: {peers: [a.test], source_ports: {start: 36000, end: 36999}}", "overlap"},
		{"a mapping for an address", "cluster_mapping: {entries: [{name: 192.0.2.1, address: 192.0.2.2}]}", "write the peer's FQDN"},
		{"a mapping", "cluster_mapping: {mode: on, entries: [{name: a.test, address: 192.0.2.2}]}", ""},
		{"a peer as neighbour", "cluster: {peers: [a.test]}\nzones: [{name: z, peers: [A.test]}]", "not neighbours of each other"},
		{"a mapped peer as neighbour", "cluster: {peers: [a.test]}\ncluster_mapping: {mode: on, entries: [{name: a.test, address: 192.0.2.2}]}\nzones: [{name: z, peers: [192.0.2.2]}]", "not neighbours of each other"},
		{"another host as neighbour", "cluster: {peers: [a.test]}\nzones: [{name: z, peers: [z.test]}]", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\n"+test.text+"\n"))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// CL-07
func TestMapped(t *testing.T) {
	n, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\ncluster_mapping: {mode: on, entries: [{name: a.test, address: 192.0.2.2}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Mapped("A.TEST").String(); got != "192.0.2.2" {
		t.Errorf("got %s", got)
	}
	if n.Mapped("b.test").IsValid() {
		t.Error("a name that is not there is mapped")
	}
	n.Mapping.Mode = false
	if n.Mapped("a.test").IsValid() {
		t.Error("it is off, and a name is mapped")
	}
}
