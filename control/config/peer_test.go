package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// PS, CL-04: each kind of item that the requirement names, and the keys it is here.
// Where there is none, the machine's own configuration has it.
func TestPeerSpecificItems(t *testing.T) {
	want := map[string][]string{
		"system name":                   {"system.name"},
		"host name and domain":          {"system.host_name", "system.domain"},
		"DNS servers, search domains":   {"dns.servers", "dns.search"},
		"NTP servers and time zone":     {"ntp.servers", "ntp.time_zone"},
		"interface names, static NAT":   {"interfaces.internal.name", "interfaces.external.name", "interfaces.external.static_nat"},
		"addresses, routes, Ethernet":   nil,
		"CPU and queue tuning":          {"dataplane.mode", "dataplane.generic_xdp"},
		"SNMP":                          nil,
		"log level, log, syslog":        {"log", "calls.records"},
		"server certificate, CAs, CRLs": {"certificates", "turn.tls.certificate", "turn.tls.key"},
		"administration access":         {"admin.metrics", "admin.pprof", "admin.https", "admin.ssh", "admin.console", "admin.protection"},
		"option keys":                   {"option_keys"},
		"series, type, service":         {"system.role", "system.platform", "system.state"},
		"the cluster block":             {"cluster"},
		"Active Directory":              nil,
		"conference factory":            nil,
	}
	var keys []string
	for _, list := range want {
		keys = append(keys, list...)
	}
	for _, item := range Schema() {
		own := slices.ContainsFunc(keys, func(k string) bool {
			rest, ok := strings.CutPrefix(item.Path, k)
			return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
		})
		if own != item.Peer {
			t.Errorf("%s: peer-specific %t, the requirement says %t", item.Path, item.Peer, own)
		}
	}
}

// A list belongs to one side as a whole; so does what a change of it waits for.
func TestEntriesAreOfOneKind(t *testing.T) {
	for _, item := range Schema() {
		path, _, ok := strings.Cut(item.Path, "[]")
		if !ok {
			continue
		}
		list, _ := Lookup(path)
		if list.Peer != item.Peer || list.Restart != item.Restart || list.Kept != item.Kept {
			t.Errorf("%s differs from its list in †, restart or what a reset keeps", item.Path)
		}
	}
}

const whole = `system: {name: tp1, host_name: h, domain: example.org}
interfaces: {internal: {name: s0}, external: {name: s1, static_nat: 198.51.100.1}}
certificates: {client_check: validate}
option_keys: [{name: 1X4757T5-1-60BAD5CD}]
turn: {mode: on, users: [{name: u, password: p}], tls: {certificate: /c, key: /k}}
accounts: [{name: alice, password: q}]
zones: [{name: out, peers: [192.0.2.1]}]
admin: {ssh: off, https: {mode: on, port: 8443}, accounts: [{name: root, password: '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$H9YweMwoZaKj+u6urw6adAxV6iLhNwQ/DYbynE6J72M'}]}
cluster: {name: c.example.org, peers: [192.0.2.10, 192.0.2.11]}
`

// CL-14
func TestReset(t *testing.T) {
	n, err := Parse("node.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse("kept", []byte(`system: {name: tp1}
interfaces: {internal: {name: s0}}
option_keys: [{name: 1X4757T5-1-60BAD5CD}]
admin: {ssh: off, https: {mode: on}, accounts: [{name: root, password: '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$H9YweMwoZaKj+u6urw6adAxV6iLhNwQ/DYbynE6J72M'}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, Reset(n), equal); diff != "" {
		t.Error(diff)
	}
	n.Interfaces.Internal = nil
	if got := Reset(n).Interfaces.Names(); len(got) != 1 || got[0] != "s1" {
		t.Errorf("with one interface, a reset leaves %v", got)
	}
}

// CL-04
func TestMergeTakesEachItemFromItsSide(t *testing.T) {
	own, err := Parse("own", []byte("system: {name: own}\ninterfaces: {external: {name: o0}}\nlog: {level: debug}\nzones: [{name: o, type: dns}]\nturn: {realm: o}\n"))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := Parse("shared", []byte("system: {name: shared}\ninterfaces: {external: {name: h0}}\nzones: [{name: h, type: dns}]\nturn: {realm: h}\ncluster_tls: enforce\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Merge(own, shared)
	if err != nil {
		t.Fatal(err)
	}
	want := shared.Clone()
	want.System, want.Interfaces, want.Log = own.System, own.Interfaces, own.Log
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
	for _, v := range Shared(own) {
		if v.Item.Peer {
			t.Errorf("%s would travel", v.Path)
		}
	}
}

// CL-11
func TestClusterNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"cluster1": true, "cluster1.example.org": true, "a-b.c": true, "1.c1": true,
		"c_1.example.org": false, "-a.example.org": false, "a-.example.org": false, "a..b": false, "example.1org": false, "example.org.": false, "10.0.0.1": false,
		strings.Repeat("a", 64) + ".org": false,
	} {
		_, err := Parse("n", []byte("system: {name: a}\ninterfaces: {external: {name: s1}}\ncluster: {name: \""+name+"\"}\n"))
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
