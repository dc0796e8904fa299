package zones

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/trace"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func endpoint(t testing.TB, addr string, aliases ...string) Endpoint {
	t.Helper()
	e := Endpoint{Addr: netip.MustParseAddr(addr)}
	for _, s := range aliases {
		a, err := alias.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		e.Aliases = append(e.Aliases, a)
	}
	return e
}

func mustMembers(t testing.TB, c MembersConfig) *Members {
	t.Helper()
	m, err := CompileMembers(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRegister: restriction, then membership, then the subzone's own word. // BW-01
func TestRegister(t *testing.T) {
	base := MembersConfig{
		Subzones: []Subzone{{Name: "floor1"}, {Name: "lab"}, {Name: "closed", Deny: true}},
		Rules: []MemberRule{
			{Name: "wide", Priority: 100, Subnet: prefix("10.0.0.0/8"), Subzone: "floor1"},
			{Name: "narrow", Priority: 100, Subnet: prefix("10.9.0.0/16"), Subzone: "lab"},
			{Name: "rooms", Priority: 100, Type: pattern.Prefix, Pattern: "room", Subzone: "lab"},
			{Name: "guests", Priority: 50, Type: pattern.Suffix, Pattern: "@guests.example", Subzone: "closed"},
			{Name: "six", Priority: 100, Subnet: prefix("2001:db8::/32"), Subzone: "lab"},
		},
	}
	tests := []struct {
		name string
		with func(*MembersConfig)
		who  Endpoint
		want Admission
	}{
		{"subnet", nil, endpoint(t, "10.1.1.1", "a@example.com"), Admission{Subzone: "floor1", Rule: "wide"}},
		{"longest prefix", nil, endpoint(t, "10.9.1.1", "a@example.com"), Admission{Subzone: "lab", Rule: "narrow"}},
		{"IPv4 in IPv6", nil, endpoint(t, "::ffff:10.9.1.1", "a"), Admission{Subzone: "lab", Rule: "narrow"}},
		{"IPv6", nil, endpoint(t, "2001:db8::7", "a"), Admission{Subzone: "lab", Rule: "six"}},
		{"subnet before alias", nil, endpoint(t, "10.1.1.1", "room1"), Admission{Subzone: "floor1", Rule: "wide"}},
		{"any of the aliases", nil, endpoint(t, "192.0.2.1", "a", "Room1"), Admission{Subzone: "lab", Rule: "rooms"}},
		{"no rule", nil, endpoint(t, "192.0.2.1", "a"), Admission{Subzone: DefaultSubzone}},
		{"priority, and the subzone refuses", nil, endpoint(t, "10.1.1.1", "x@guests.example"), Admission{Verdict: SubzoneDenies, Subzone: "closed", Rule: "guests"}},
		{"Default Subzone refuses", func(c *MembersConfig) { c.DefaultDeny = true }, endpoint(t, "192.0.2.1", "a"), Admission{Verdict: SubzoneDenies, Subzone: DefaultSubzone}},
		{"on the allow list", allow("a"), endpoint(t, "10.1.1.1", "a"), Admission{Subzone: "floor1", Rule: "wide"}},
		{"one alias on the allow list", allow("a"), endpoint(t, "10.1.1.1", "b", "a"), Admission{Subzone: "floor1", Rule: "wide"}},
		{"not on the allow list", allow("a"), endpoint(t, "10.1.1.1", "b"), Admission{Verdict: NotListed}},
		{"on the deny list", deny("a"), endpoint(t, "10.1.1.1", "b", "a"), Admission{Verdict: Listed, Rule: "entry"}},
		{"not on the deny list", deny("a"), endpoint(t, "10.1.1.1", "b"), Admission{Subzone: "floor1", Rule: "wide"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := base
			if test.with != nil {
				test.with(&c)
			}
			m := mustMembers(t, c)
			var why trace.Trace
			if diff := gocmp.Diff(test.want, m.Register(test.who, &why)); diff != "" {
				var b strings.Builder
				_ = trace.Write(&b, why.Steps(), true)
				t.Errorf("-want +got:\n%s%s", diff, b.String())
			}
			if got := m.Register(test.who, nil); got != test.want {
				t.Errorf("without a trace: %+v", got)
			}
		})
	}
}

func allow(name string) func(*MembersConfig) {
	return func(c *MembersConfig) {
		c.Restriction, c.Entries = AllowList, []Entry{{Name: "entry", Type: pattern.Exact, Pattern: name}}
	}
}

func deny(name string) func(*MembersConfig) {
	return func(c *MembersConfig) { allow(name)(c); c.Restriction = DenyList }
}

func TestMembersNameTheRule(t *testing.T) {
	rule := func(change func(*MemberRule)) MembersConfig {
		r := MemberRule{Name: "x", Priority: 1, Type: pattern.Exact, Pattern: "a", Subzone: DefaultSubzone}
		change(&r)
		return MembersConfig{Rules: []MemberRule{r}}
	}
	tests := []struct {
		name string
		c    MembersConfig
		want string
	}{
		{"no such subzone", rule(func(r *MemberRule) { r.Subzone = "y" }), `membership rule "x": there is no subzone "y"`},
		{"Traversal Subzone", rule(func(r *MemberRule) { r.Subzone = TraversalSubzone }), `membership rule "x": nobody registers into TraversalSubZone`},
		{"priority", rule(func(r *MemberRule) { r.Priority = 65535 }), `membership rule "x": priority 65535`},
		{"long pattern", rule(func(r *MemberRule) { r.Pattern = strings.Repeat("a", 61) }), `membership rule "x": the pattern is longer than 60`},
		{"expression", rule(func(r *MemberRule) { r.Type, r.Pattern = pattern.Regex, "[" }), `membership rule "x": regular expression "["`},
		{"subzone twice", MembersConfig{Subzones: []Subzone{{Name: "s"}, {Name: "s"}}}, `subzone "s": there is another one`},
		{"subzone without a name", MembersConfig{Subzones: []Subzone{{}}}, `subzone "": a name has`},
		{"list", MembersConfig{Entries: []Entry{{Name: "e"}}}, `restriction list, "e": a pattern cannot be empty`},
		{"too many", MembersConfig{Entries: make([]Entry, 2501)}, "2501 entries of the restriction list are too many"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := CompileMembers(test.c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
}

// TestMembershipIsItsModel compares with facts A1.1 tried rule by rule. // BW-01
func TestMembershipIsItsModel(t *testing.T) {
	nets := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1/32", "0.0.0.0/0", "2001:db8::/32", "2001:db8:1::/48"}
	addrs := []string{"10.1.1.1", "10.1.2.1", "10.2.0.1", "192.0.2.1", "2001:db8:1::1", "2001:db8:2::1", "::ffff:10.1.1.1"}
	rapid.Check(t, func(t *rapid.T) {
		c := MembersConfig{}
		for i := range rapid.IntRange(0, 12).Draw(t, "rules") {
			r := MemberRule{Name: fmt.Sprint("r", i), Priority: rapid.IntRange(1, 3).Draw(t, "priority"), Subzone: fmt.Sprint("s", i)}
			c.Subzones = append(c.Subzones, Subzone{Name: r.Subzone})
			if rapid.Bool().Draw(t, "by network") {
				r.Subnet = prefix(rapid.SampledFrom(nets).Draw(t, "network"))
			} else {
				r.Type = pattern.Type(rapid.IntRange(0, 2).Draw(t, "type"))
				r.Pattern = rapid.SampledFrom([]string{"a", "1", "a1", "1a"}).Draw(t, "pattern")
			}
			c.Rules = append(c.Rules, r)
		}
		who := Endpoint{Addr: netip.MustParseAddr(rapid.SampledFrom(addrs).Draw(t, "address"))}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "1", "a1", "1a", "b"}), 0, 2).Draw(t, "aliases") {
			who.Aliases = append(who.Aliases, alias.Alias{Name: name})
		}
		m, err := CompileMembers(c)
		if err != nil {
			t.Fatal(err)
		}
		want := slow(c.Rules, who)
		if got, _ := m.Subzone(who); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		var why trace.Trace
		if got := m.Register(who, &why); got.Subzone != want || why.Steps()[len(why.Steps())-1].Name != want {
			t.Fatalf("got %+v, want %s", got, want)
		}
	})
}

// slow is membership as it is written down: by priority, then networks by the longest
// prefix, then aliases, then the order of the list.
func slow(rules []MemberRule, who Endpoint) string {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b MemberRule) int {
		if c := cmp.Compare(a.Priority, b.Priority); c != 0 {
			return c
		}
		switch aNet, bNet := a.Subnet.IsValid(), b.Subnet.IsValid(); {
		case aNet && bNet:
			return b.Subnet.Bits() - a.Subnet.Bits()
		case aNet:
			return -1
		case bNet:
			return 1
		}
		return 0
	})
	for _, r := range rules {
		if r.Subnet.IsValid() {
			if r.Subnet.Contains(who.Addr.Unmap()) {
				return r.Subzone
			}
			continue
		}
		for _, a := range who.Aliases {
			if r.Type == pattern.Exact && a.Name == r.Pattern || r.Type == pattern.Prefix && strings.HasPrefix(a.Name, r.Pattern) ||
				r.Type == pattern.Suffix && strings.HasSuffix(a.Name, r.Pattern) {
				return r.Subzone
			}
		}
	}
	return DefaultSubzone
}

type states []PeerState

func (s states) Peer(_ *Zone, i int) PeerState { return s[i] }

// TestChooseDoesNotMindTheOrderOfTheList. // RG-06
func TestChooseDoesNotMindTheOrderOfTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxPeers).Draw(t, "peers")
		z := Zone{Name: "z", Type: Neighbour, Monitor: true}
		var s states
		for i := range n {
			z.Peers = append(z.Peers, Peer{Host: fmt.Sprintf("10.0.0.%d", i), Port: uint16(rapid.IntRange(0, 1).Draw(t, "port"))})
			s = append(s, PeerState{
				Silent: rapid.Bool().Draw(t, "silent"), Maintenance: rapid.Bool().Draw(t, "maintenance"),
				Known: rapid.Bool().Draw(t, "known"), Free: rapid.IntRange(0, 2).Draw(t, "free"),
			})
		}
		name := rapid.SampledFrom([]string{"a@x", "b@x", "1"}).Draw(t, "name")
		want := Choose(&z, s, name).Peers(&z)
		at := rapid.Permutation([]int{0, 1, 2, 3, 4, 5}[:n]).Draw(t, "order")
		shuffled, mixed := z, make(states, n)
		shuffled.Peers = make([]Peer, n)
		for i, from := range at {
			shuffled.Peers[i], mixed[i] = z.Peers[from], s[from]
		}
		if diff := gocmp.Diff(want, Choose(&shuffled, mixed, name).Peers(&shuffled)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestChooseSpreads: peers with equally many free sessions share the calls. // RG-06
func TestChooseSpreads(t *testing.T) {
	z := Zone{Name: "z", Type: Neighbour, Monitor: true}
	for i := range 4 {
		z.Peers = append(z.Peers, Peer{Host: fmt.Sprintf("10.0.0.%d", i)})
	}
	var first [4]int
	for i := range 4000 {
		o := Choose(&z, nil, fmt.Sprintf("%d@example.com", i))
		first[o.At(0)]++
	}
	for i, n := range first {
		if n < 800 || n > 1200 {
			t.Errorf("peer %d is first for %d of 4000 names", i, n)
		}
	}
}

func TestStatus(t *testing.T) {
	two := []Peer{{Host: "10.0.0.1"}, {Host: "10.0.0.2"}}
	tests := []struct {
		name   string
		zone   Zone
		states states
		want   string
	}{
		{"all live", Zone{Type: Neighbour, Monitor: true, Peers: two}, states{{}, {}}, "Active (2 of 2)"},
		{"one silent", Zone{Type: Neighbour, Monitor: true, Peers: two}, states{{Silent: true}, {}}, "Active (1 of 2)"},
		{"all silent", Zone{Type: Neighbour, Monitor: true, Peers: two}, states{{Silent: true}, {Silent: true}}, "Failed"},
		{"not known yet", Zone{Type: Neighbour, Monitor: true, Peers: two}, states{{Checking: true}, {Silent: true}}, "Checking"},
		{"not monitored", Zone{Type: Neighbour, Peers: two}, states{{Silent: true}, {}}, "On"},
		{"DNS", Zone{Type: DNS}, nil, "On"},
	}
	for _, test := range tests {
		if got := Status(&test.zone, test.states); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestBySource(t *testing.T) {
	d, err := Compile(Config{
		Zones: []Zone{
			{Name: "a", Type: Neighbour, SIP: true, Peers: []Peer{{Host: "10.0.0.1", Port: 5070}}},
			{Name: "b", Type: Neighbour, SIP: true, Peers: []Peer{{Host: "10.0.0.1", Port: 5080}, {Host: "far.example"}}},
		},
		Resolved: map[string][]netip.Addr{"far.example": {netip.MustParseAddr("2001:db8::1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"10.0.0.1:5070":        "a",
		"10.0.0.1:5080":        "b",
		"10.0.0.1:40000":       "a",
		"[::ffff:10.0.0.1]:99": "a",
		"[2001:db8::1]:5060":   "b",
		"10.0.0.2:5070":        "DefaultZone",
	} {
		if got := d.BySource(netip.MustParseAddrPort(from)).Name; got != want {
			t.Errorf("%s is %s, want %s", from, got, want)
		}
	}
}

func TestAdmits(t *testing.T) {
	d, err := Compile(Config{Access: []AccessRule{
		{Name: "all of example", Priority: 20, Type: pattern.Suffix, Pattern: ".example.com", Allow: true},
		{Name: "but not old ones", Priority: 10, Type: pattern.Prefix, Pattern: "old"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"A.example.com": true, "old.example.com": false, "example.org": false} {
		if got, rule := d.Admits([]string{"nothing", name}); got != want {
			t.Errorf("%s: %v by %q", name, got, rule)
		}
	}
	if open, _ := mustDirectory(t).Admits(nil); !open {
		t.Error("without rules nobody is asked")
	}
}

func mustDirectory(t *testing.T) *Directory {
	t.Helper()
	d, err := Compile(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// largest is 3000 membership rules and a restriction list of 2500 (Show 4).
func largest() MembersConfig {
	c := MembersConfig{Restriction: DenyList}
	for i := range MaxSubzones {
		c.Subzones = append(c.Subzones, Subzone{Name: fmt.Sprint("subzone", i)})
	}
	for i := range MaxMembers {
		r := MemberRule{Name: fmt.Sprint("rule", i), Priority: i%3 + 1, Subzone: fmt.Sprint("subzone", i%MaxSubzones)}
		switch i % 3 {
		case 0:
			r.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		case 1:
			r.Type, r.Pattern = pattern.Suffix, fmt.Sprintf("@site%d.example.com", i)
		case 2:
			r.Type, r.Pattern = pattern.Regex, fmt.Sprintf(`room\d+@site%d\.example\.com`, i)
		}
		c.Rules = append(c.Rules, r)
	}
	for i := range MaxRestriction {
		c.Entries = append(c.Entries, Entry{Name: fmt.Sprint("entry", i), Type: pattern.Exact, Pattern: fmt.Sprintf("bad%d@example.com", i)})
	}
	return c
}

// BenchmarkRegister decides about a registration among the largest lists, where the
// last rule matches (Show 4).
func BenchmarkRegister(b *testing.B) {
	m := mustMembers(b, largest())
	who := endpoint(b, "192.0.2.1", "room1@site2999.example.com", "1234")
	b.ReportAllocs()
	for b.Loop() {
		if !m.Register(who, nil).Allowed() {
			b.Fatal("refused")
		}
	}
}

// BenchmarkCompileMembers is a change of the largest lists.
func BenchmarkCompileMembers(b *testing.B) {
	c := largest()
	b.ReportAllocs()
	for b.Loop() {
		mustMembers(b, c)
	}
}

func TestRegisterDoesNotAllocate(t *testing.T) {
	m := mustMembers(t, largest())
	who := endpoint(t, "10.0.9.1", "room1@site2999.example.com", "1234")
	if n := testing.AllocsPerRun(100, func() { m.Register(who, nil) }); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}
