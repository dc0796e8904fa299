package dialplan

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

var update = flag.Bool("update", false, "write the golden files anew")

// office is the plan of docs/routing.md: a head office with a branch, a core behind it
// and the internet.
func office(t testing.TB) *Plan {
	dir := mustZones(t,
		neighbour("branch", "198.51.100.1", "198.51.100.2", "198.51.100.3"),
		neighbour("core", "10.1.0.1"),
		zones.Zone{Name: "internet", Type: zones.DNS, SIP: true, H323: true, HopCount: 5},
	)
	return mustPlan(t, Config{
		Zones: dir, Subzones: []string{"lobby"}, Domains: []string{"example.com"},
		FallbackAlias: "reception@example.com",
		Own:           []netip.Addr{netip.MustParseAddr("203.0.113.1")},
		Transforms: []Transform{
			{Name: "outside line", Priority: 1, Type: pattern.Prefix, Pattern: "9", Behavior: pattern.Strip},
			{Name: "short numbers", Priority: 2, Type: pattern.Regex, Pattern: `(\d{4})`, Behavior: pattern.Replace, Replace: `\1@example.com`},
		},
		Policy: Policy{Rules: []PolicyRule{
			{Name: "no premium numbers", Priority: 10, To: Match{Type: pattern.Regex, Pattern: `(00|\+)?900\d+(@.*)?`}, From: Match{Any: true}, Action: Deny},
			{Name: "sales is a team", Priority: 20, From: Match{Any: true}, To: Match{Type: pattern.Exact, Pattern: "sales@example.com"}, Action: Redirect, Destinations: []string{"alice@example.com", "bob@example.com"}},
			{Name: "circle", Priority: 30, From: Match{Any: true}, To: Match{Type: pattern.Prefix, Pattern: "ring"}, Action: Redirect, Destinations: []string{"ring@example.com"}},
			{Name: "guests may call us", Priority: 100, From: Match{Any: true}, To: Match{Type: pattern.Suffix, Pattern: "@example.com"}, Action: Allow},
		}},
		Rules: []Rule{
			anyRule("registered here", 50, "local"),
			patternRule("branch office", 60, pattern.Suffix, "@branch.example.com", "branch"),
			patternRule("numbers to the core", 60, pattern.Regex, `\+?\d{7,}(@example\.com)?`, "core"),
			{Name: "meeting rooms", Priority: 60, Mode: AliasPattern, Type: pattern.Prefix, Pattern: "room-", Behavior: pattern.Strip, Stop: true, Target: "core", Authenticated: true},
			{Name: "the rest by DNS", Priority: 200, Mode: AnyAlias, Source: AllZones, Target: "internet"},
		},
	})
}

func officeNetwork() Network {
	return Network{
		Registrations: registered{
			"alice@example.com": {{ID: 1, Protocol: SIP, Contact: "10.0.0.11:5060"}, {ID: 2, Protocol: SIP, Peer: 2, Contact: "10.0.0.11:5062"}},
			"bob@example.com":   {{ID: 3, Protocol: H323, Contact: "10.0.0.12:1720"}},
			"1234@example.com":  {{ID: 4, Protocol: SIP, Contact: "10.0.0.13:5060"}, {ID: 5, Protocol: H323, Contact: "10.0.0.13:1720"}},
		},
		Health: condition{"branch": {
			{Known: true, Free: 10}, {Known: true, Free: 80}, {Known: true, Free: 100, Maintenance: true},
		}},
	}
}

type question struct {
	name, alias, zone string
	change            func(*Request)
}

func questions() []question {
	return []question{
		{name: "short number", alias: "1234", zone: "local"},
		{name: "two contacts", alias: "sip:Alice@Example.com", zone: "local"},
		{name: "team", alias: "sales@example.com", zone: "local"},
		{name: "circle", alias: "ringing@example.com", zone: "local"},
		{name: "branch", alias: "carol@branch.example.com", zone: "local"},
		{name: "premium number", alias: "900123456", zone: "local"},
		{name: "premium number behind a prefix", alias: "9900123456", zone: "local"},
		{name: "guest to us", alias: "bob@example.com", zone: ""},
		{name: "guest to the world", alias: "dave@example.org", zone: ""},
		{name: "own address", alias: "203.0.113.1", zone: "branch"},
		{name: "room", alias: "room-1@example.org", zone: "local"},
		{name: "room without a name", alias: "room-", zone: "local"},
		{name: "hop count used up", alias: "dave@example.org", zone: "local", change: func(q *Request) { q.HopCount = 0 }},
		{name: "loop", alias: "dave@example.org", zone: "branch", change: func(q *Request) { q.Seen = []string{"dave@example.org"} }},
		{name: "asked by a peer", alias: "alice@example.com", change: func(q *Request) { q.Peer = true }},
		{name: "not authenticated", alias: "+12015550123", zone: "local", change: func(q *Request) { q.Authenticated = false }},
		{name: "address", alias: "192.0.2.77:5070", zone: "local"},
	}
}

// TestTraces holds what a search gives and how it explains itself in golden files.
func TestTraces(t *testing.T) {
	plan, network := office(t), officeNetwork()
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			req := Request{Alias: mustAlias(t, q.alias), Protocol: SIP, HopCount: 15, Authenticated: q.zone == "local", Zone: plan.Zones().ByName(q.zone)}
			if q.change != nil {
				q.change(&req)
			}
			var out Result
			var why trace.Trace
			plan.Locate(&req, network, &out, &why)
			var b bytes.Buffer
			if err := trace.Write(&b, why.Steps(), true); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("traces", q.name+".txt"), b.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestNeighbourCluster: the peer with the most free media sessions first, maintenance
// and silence left out, whatever the order of the list. // RG-06
func TestNeighbourCluster(t *testing.T) {
	tests := []struct {
		name   string
		peers  []string
		states []zones.PeerState
		want   []string
	}{
		{"most free first", []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, []zones.PeerState{{Known: true, Free: 5}, {Known: true, Free: 9}, {Known: true, Free: 7}}, []string{"10.0.0.2", "10.0.0.3", "10.0.0.1"}},
		{"maintenance left out", []string{"10.0.0.1", "10.0.0.2"}, []zones.PeerState{{Known: true, Free: 99, Maintenance: true}, {Known: true}}, []string{"10.0.0.2"}},
		{"silent left out", []string{"10.0.0.1", "10.0.0.2"}, []zones.PeerState{{Silent: true}, {}}, []string{"10.0.0.2"}},
		{"those that do not say come last", []string{"10.0.0.1", "10.0.0.2"}, []zones.PeerState{{}, {Known: true}}, []string{"10.0.0.2", "10.0.0.1"}},
		{"nobody", []string{"10.0.0.1"}, []zones.PeerState{{Silent: true}}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan := mustPlan(t, Config{Zones: mustZones(t, neighbour("far", test.peers...)), Rules: []Rule{anyRule("all", 1, "far")}})
			req := Request{Alias: mustAlias(t, "a@example.com"), Protocol: SIP, HopCount: 15, Zone: plan.Zones().Local(), Authenticated: true}
			var out Result
			plan.Locate(&req, Network{Health: condition{"far": test.states}}, &out, nil)
			var got []string
			for i := range out.Targets {
				if !out.Targets[i].Interworked {
					got = out.Targets[i].PeerNames()
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if len(test.want) == 0 && out.Reason != Unreachable {
				t.Errorf("reason %q", out.Reason)
			}
		})
	}
}
