package routing

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/zones"
)

func load(t testing.TB, file string) *config.Node {
	t.Helper()
	n, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustNew(t testing.TB, n *config.Node, s Surroundings) *Router {
	t.Helper()
	r, err := New(n, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// registered has one SIP phone for each name.
type registered []string

func (r registered) Lookup(dst []dialplan.Binding, name string) []dialplan.Binding {
	for i, n := range r {
		if n == name {
			dst = append(dst, dialplan.Binding{ID: uint64(i), Protocol: dialplan.SIP, Contact: "phone"})
		}
	}
	return dst
}

// where lists the zones and contacts of an answer's targets.
func where(a Answer) string {
	var out []string
	for _, t := range a.Targets {
		out = append(out, t.Zone+" "+t.Contact+strings.Join(t.Peers, " "))
	}
	if len(out) == 0 {
		return a.Reason
	}
	return strings.Join(out, ", ")
}

// TestContract holds what a node file with zones and rules alone promises: calls of a
// listed zone follow the rules whatever they call, accounts call, others do not.
func TestContract(t *testing.T) {
	own := Surroundings{Own: []netip.Addr{netip.MustParseAddr("198.18.1.1")}}
	r := mustNew(t, load(t, "testdata/contract.yaml"), own)
	r.Connect(dialplan.Network{Registrations: registered{"bob@example.test"}})
	tests := []struct {
		name string
		q    Question
		want string
	}{
		{"from a zone", Question{Alias: "sip:service@example.org", Source: "in", HopCount: 70}, "out 198.18.2.2:5070"},
		{"to the node's own address", Question{Alias: "sip:service@198.18.1.1:5060", Source: "in", HopCount: 70}, "out 198.18.2.2:5070"},
		{"to the node's own address alone", Question{Alias: "sip:198.18.1.1", Source: "in", HopCount: 70}, "out 198.18.2.2:5070"},
		{"to another address", Question{Alias: "sip:x@192.0.2.1", Source: "in", HopCount: 70}, "out 198.18.2.2:5070"},
		{"from a zone to an account", Question{Alias: "sip:bob@example.test", Source: "in", HopCount: 70}, "local phone"},
		{"account to account", Question{Alias: "sip:bob@example.test", Authenticated: true, HopCount: 70}, "local phone"},
		{"account to the world", Question{Alias: "sip:x@example.org", Authenticated: true, HopCount: 70}, "out 198.18.2.2:5070"},
		{"without a password", Question{Alias: "sip:bob@example.test", HopCount: 70}, "denied by call policy"},
		{"stranger to an account", Question{Alias: "sip:bob@example.test", Source: "DefaultZone", HopCount: 70}, "denied by call policy"},
		{"stranger to the world", Question{Alias: "sip:x@example.org", Source: "DefaultZone", HopCount: 70}, "denied by call policy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := r.Ask(test.q)
			if err != nil {
				t.Fatal(err)
			}
			if where(got) != test.want {
				t.Errorf("got %s, want %s", where(got), test.want)
			}
		})
	}
	from := netip.MustParseAddrPort("198.18.1.2:40000")
	if got := r.Snapshot().Zones.BySource(from).Name; got != "in" {
		t.Errorf("%s is %s", from, got)
	}
}

// TestMembersOfAFile goes from a node file to subzones. // BW-01
func TestMembersOfAFile(t *testing.T) {
	r := mustNew(t, load(t, "testdata/office.yaml"), Surroundings{})
	for addr, want := range map[string]string{"10.7.1.1": "lobby", "10.8.1.1": zones.DefaultSubzone} {
		if got := r.Register(zones.Endpoint{Addr: netip.MustParseAddr(addr)}, nil); !got.Allowed() || got.Subzone != want {
			t.Errorf("%s: %+v", addr, got)
		}
	}
}

// TestEveryWordIsKnown: whatever the schema lets be written means something here.
func TestEveryWordIsKnown(t *testing.T) {
	known := map[string]func(string) bool{
		"zones[].type":                 has(zoneTypes),
		"transforms[].behavior":        has(behaviors),
		"transforms[].pattern.type":    has(patternTypes),
		"search_rules[].behavior":      has(behaviors),
		"search_rules[].protocol":      has(protocols),
		"search_rules[].source":        has(sources),
		"call_policy.rules[].source":   has(sources),
		"call_policy.rules[].caller":   has(callers),
		"call_policy.rules[].action":   has(actions),
		"call_policy.unknown":          has(actions),
		"calls.unknown_ip":             has(unknownIPs),
		"calls.interworking":           has(interworking),
		"registrations.restriction":    func(s string) bool { return s == "none" || s == "allow" || s == "deny" },
		"membership_rules[].type":      func(s string) bool { return s == "subnet" || s == "alias" },
		"search_rules[].pattern.type":  func(s string) bool { return s == "any" || s == "any_ip" || has(patternTypes)(s) },
		"call_policy.rules[].to.type":  func(s string) bool { return s == "any" || has(patternTypes)(s) },
		"registrations.deny[].pattern": nil,
	}
	for _, item := range config.Schema() {
		for _, w := range item.Words {
			if f := known[item.Path]; f != nil && !f(w.Text) {
				t.Errorf("%s: %s means nothing here", item.Path, w.Text)
			}
		}
		delete(known, item.Path)
	}
	delete(known, "registrations.deny[].pattern")
	for path := range known {
		t.Errorf("%s is no item any more", path)
	}
}

func has[K ~string, V any](m map[K]V) func(string) bool {
	return func(s string) bool { _, ok := m[K(s)]; return ok }
}

// TestChange: what cannot be compiled changes nothing; what can, counts at once.
func TestChange(t *testing.T) {
	n := load(t, "testdata/office.yaml")
	r := mustNew(t, n, Surroundings{})
	before := r.Snapshot()

	bad := *n
	bad.SearchRules = []config.SearchRule{{Name: "x", Priority: 1, Target: "nowhere"}}
	if err := r.Change(&bad, Surroundings{}); err == nil || !strings.Contains(err.Error(), `search rule "x"`) {
		t.Errorf("got %v", err)
	}
	if r.Snapshot() != before {
		t.Error("a failed change changed something")
	}

	good := *n
	good.SearchRules = n.SearchRules[:1]
	if err := r.Change(&good, Surroundings{}); err != nil {
		t.Fatal(err)
	}
	got, err := r.Ask(Question{Alias: "x@branch.example.com", Authenticated: true, HopCount: 15})
	if err != nil || got.Found {
		t.Errorf("%s, %v", where(got), err)
	}
}

func TestWrongQuestions(t *testing.T) {
	r := mustNew(t, load(t, "testdata/office.yaml"), Surroundings{})
	for name, q := range map[string]Question{
		"alias":    {Alias: ""},
		"protocol": {Alias: "a", Protocol: "mgcp"},
		"zone":     {Alias: "a", Source: "nowhere"},
		"hops":     {Alias: "a", HopCount: 256},
		"caller":   {Alias: "a", Caller: "\n"},
	} {
		if _, err := r.Ask(q); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// health has peers of the branch with sessions left.
type health struct{}

func (health) Peer(z *zones.Zone, i int) zones.PeerState {
	if z.Name != "branch" {
		return zones.PeerState{}
	}
	return []zones.PeerState{{Known: true, Free: 3}, {Silent: true}, {Known: true, Free: 9, Maintenance: true}}[i]
}

func TestSummaries(t *testing.T) {
	r := mustNew(t, load(t, "testdata/office.yaml"), Surroundings{})
	r.Connect(dialplan.Network{Health: health{}})
	three, nine := 3, 9
	want := []ZoneSummary{
		{Name: "local", Type: "local", Protocol: "both", Status: "On"},
		{Name: "DefaultZone", Type: "default", Protocol: "both", Status: "On", HopCount: 15},
		{Name: "branch", Type: "neighbour", Protocol: "both", Status: "Active (2 of 3)", HopCount: 15, Peers: []PeerSummary{
			{Address: "198.51.100.1", Status: "active", Free: &three},
			{Address: "198.51.100.2", Status: "silent"},
			{Address: "198.51.100.3", Status: "maintenance", Free: &nine},
		}},
		{Name: "core", Type: "neighbour", Protocol: "both", Status: "Active (1 of 1)", HopCount: 15, Peers: []PeerSummary{{Address: "10.1.0.1", Status: "active"}}},
		{Name: "internet", Type: "dns", Protocol: "both", Status: "On", HopCount: 5},
	}
	if diff := cmp.Diff(want, r.Summaries()); diff != "" {
		t.Error(diff)
	}
}

// TestFilesAreCheckedAsPlans: what a node file may say can be compiled; the rest is
// found when the file is read, with its line.
func TestFilesAreCheckedAsPlans(t *testing.T) {
	const head = "system: {name: a}\ninterfaces: {external: {name: e}}\nzones: [{name: z, peers: [10.0.0.1]}]\n"
	tests := []struct{ name, text, want string }{
		{"strip an expression", `search_rules: [{name: x, pattern: {type: regex, string: "a"}, behavior: strip, target: z}]`, "use replace"},
		{"strip a whole alias", `transforms: [{name: x, pattern: {type: exact, string: "a"}, behavior: strip}]`, "use replace"},
		{"no such group", `transforms: [{name: x, pattern: {type: regex, string: "a"}, behavior: replace, replace: '\1'}]`, `group \1`},
		{"nothing to add", `transforms: [{name: x, pattern: {type: exact, string: "a"}, behavior: add_prefix}]`, "needs a text to add"},
		{"look-ahead", `call_policy: {rules: [{name: x, to: {type: regex, string: '(?!a)b'}}]}`, "a rule of its own"},
		{"too large", `registrations: {deny: [{name: x, pattern: {type: regex, string: '((a{30}){30}b{30}){30}'}}]}`, "repeat count"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.Parse("node.yaml", []byte(head+test.text+"\n"))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "node.yaml:4:") {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
}

// TestPathsAreItems: a change below each path is noticed.
func TestPathsAreItems(t *testing.T) {
	for _, path := range Paths() {
		found := false
		for _, item := range config.Schema() {
			found = found || item.Path == path || strings.HasPrefix(item.Path, path+".")
		}
		if !found {
			t.Errorf("%s is no item", path)
		}
	}
}
