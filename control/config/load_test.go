package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files anew")

const separator = "\n----\n"

func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(data), separator)
			_, err = Parse("node.yaml", []byte(input))
			if err == nil {
				t.Fatalf("no error for\n%s", input)
			}
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "hunter") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestParse(t *testing.T) {
	contract := `system: {name: tp1, role: E, platform: CE1200, state: /var/lib/turnpike}   # role C|E; platform CE1200|Large|Medium|Small|custom
interfaces: {internal: {name: s0}, external: {name: s1}}                   # one may be left out; external may have static_nat: ADDRESS
turn: {mode: on, port: 3478, multiplexing: on, realm: test, users: [{name: u, password: p}]}
`
	full := `# a comment
system:
  name: "tp-2"
  platform: custom
  state: /srv/tp
interfaces:
  external:
    name: eth0
    static_nat: 2001:db8::1
turn:
  mode: on
  port: 5000
  multiplexing: off
  tcp: off
  tls: {certificate: /c.pem, key: /k.pem}
  realm: on
  users:
  - name: 'alice'
    password: 12345
  secrets: [s3cret, "0x10"]
  media_ports: {start: 30000, end: 30099}
  max_relays: 12
  quota_per_user: 3
  rate_kbps: 4096
  connections_per_source: 50
  deny:
  - 10.0.0.0/8
  - 192.0.2.1
  - 2001:db8:1::/48
  allow_loopback: on
dataplane: {mode: userspace, generic_xdp: on}
admin: {metrics: off, pprof: off}
log: {level: debug, file: off}
`
	tests := []struct {
		name, in string
		want     func(*Node)
	}{
		{"contract", contract, func(n *Node) {
			n.System = System{Name: "tp1", Role: RoleEdge, Platform: PlatformCE1200, State: "/var/lib/turnpike"}
			n.Interfaces = Interfaces{Internal: &Internal{Name: "s0"}, External: &External{Name: "s1"}}
			n.TURN.Mode, n.TURN.Realm = true, "test"
			n.TURN.Users = []User{{Index: 1, Name: "u", Password: "p"}}
		}},
		{"full", full, func(n *Node) {
			n.System = System{Name: "tp-2", Role: RoleEdge, Platform: PlatformCustom, State: "/srv/tp"}
			n.Interfaces.External = &External{Name: "eth0", StaticNAT: netip.MustParseAddr("2001:db8::1")}
			n.TURN = TURN{
				Mode: true, Port: 5000, Realm: "on",
				TLS:        &TLS{Port: 5349, Certificate: "/c.pem", Key: "/k.pem"},
				Users:      []User{{Index: 1, Name: "alice", Password: "12345"}},
				Secrets:    []Secret{"s3cret", "0x10"},
				MediaPorts: PortRange{30000, 30099},
				MaxRelays:  12, QuotaPerUser: 3, RateKbps: 4096, Connections: 50,
				Deny: []AddrPrefix{
					{netip.MustParsePrefix("10.0.0.0/8")},
					{netip.MustParsePrefix("192.0.2.1/32")},
					{netip.MustParsePrefix("2001:db8:1::/48")},
				},
				Loopback: true,
			}
			n.Dataplane = Dataplane{Mode: PathUserspace, GenericXDP: true}
			n.Admin.Metrics, n.Admin.Pprof = Listen{}, false
			n.Log = Log{Level: "debug", File: "off"}
		}},
		{"least", "system: {name: a}\ninterfaces: {internal: {name: lo}}\nturn:\n", func(n *Node) {
			n.System.Name = "a"
			n.Interfaces.Internal = &Internal{Name: "lo"}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := Default()
			test.want(want)
			got, err := Parse("node.yaml", []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(file, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

func TestTenThousandUsers(t *testing.T) {
	var text strings.Builder
	text.WriteString("system: {name: a}\ninterfaces: {external: {name: s1}}\nturn:\n  users:\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "  - {name: user-%d, password: password-%d}\n", i, i)
	}
	n, err := Parse("node.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.TURN.Passwords()) != 10000 || len(Diff(Default(), n)) != 20002 {
		t.Errorf("%d users, %d changes", len(n.TURN.Passwords()), len(Diff(Default(), n)))
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/errors/*.txt")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(data), separator)
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Parse("f", data)
		var problems Problems
		if err == nil || !errors.As(err, &problems) {
			return
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%s points to %d:%d of %d lines", p.Text, p.Line, p.Column, lines)
			}
		}
		_ = err.Error()
	})
}
