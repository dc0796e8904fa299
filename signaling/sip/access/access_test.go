package access

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
)

const file = `
system: {name: tp}
sip: {mode: on, udp: 5060}
domains: [example.test, Second.Test]
accounts: [{name: alice, password: secret}, {name: bob@second.test, password: secret}]
zones:
  - {name: open, type: neighbour, protocol: sip, peers: ["198.18.1.2:5062"], monitor: off, sip: {trusted: on}}
  - {name: checked, type: neighbour, protocol: sip, peers: ["198.18.1.3:5062"], monitor: off, authentication: check}
  - {name: believed, type: neighbour, protocol: sip, peers: ["198.18.1.4:5062"], monitor: off, authentication: treat_as_authenticated}
subzones: [{name: lab, authentication: treat_as_authenticated}, {name: lax, authentication: do_not_check}]
membership_rules: [{name: net, priority: 1, type: subnet, subnet: 10.5.0.0/16, subzone: lab}]
`

// asked is a request, and how it was answered.
type asked struct {
	m      *message.Message
	src    loop.Source
	answer *message.Message
}

func (a *asked) Request() *message.Message { return a.m }
func (a *asked) Source() loop.Source       { return a.src }

func (a *asked) Reply(status int, reason string, change ...func(*message.Message)) {
	a.answer = message.NewResponse(a.m, status, reason)
	for _, f := range change {
		f(a.answer)
	}
}

// ask makes a request of a method, From an address, that came from a source.
func ask(t *testing.T, method, from, source string, lines ...string) *asked {
	t.Helper()
	text := method + " sip:carol@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" +
		"From: <" + from + ">;tag=1\r\nTo: <sip:carol@example.test>\r\nCall-ID: 1\r\nCSeq: 1 " + method + "\r\nMax-Forwards: 70\r\n" +
		strings.Join(append(lines, ""), "\r\n") + "Contact: <sip:x@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
	m, err := message.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &asked{m: m, src: loop.Source{Transport: loop.UDP, Remote: netip.MustParseAddrPort(source), Local: netip.MustParseAddrPort("198.18.1.1:5060")}}
}

// status is the answer's; 0: there is none.
func (a *asked) status() int {
	if a.answer == nil {
		return 0
	}
	return a.answer.Status()
}

// table has the bindings of the test by where they came from.
type table map[netip.AddrPort][]*registrations.Binding

func (b table) From(dst []*registrations.Binding, _ uint64, source netip.AddrPort) []*registrations.Binding {
	return append(dst, b[source]...)
}

func (b table) Of(name string) (all []*registrations.Binding) {
	for source, list := range b {
		for _, one := range list {
			if one.AOR == name {
				came := *one
				came.Source = source
				all = append(all, &came)
			}
		}
	}
	return all
}

type surroundings struct{ *routing.Router }

func (s surroundings) Source(src loop.Source) *zones.Zone {
	return s.Snapshot().Zones.BySource(src.Remote)
}
func (s surroundings) Flow(*loop.Conn) uint64 { return 1 }

func newGuard(t *testing.T, bound table, more string) *Guard {
	t.Helper()
	n, err := config.Parse("node.yaml", []byte(file+more))
	if err != nil {
		t.Fatal(err)
	}
	router, err := routing.New(n, routing.Surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	s := surroundings{router}
	return New(n, Deps{
		Sources: s, Bindings: bound, Flows: s, Snapshot: router.Snapshot, Key: []byte("key"),
		Own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("198.18.1.1")} },
	})
}

// seen is a caller without pointers.
type seen struct {
	Zone, Subzone, Account string
	Authenticated, Trusted bool
	Binding                uint64
	Status                 int
}

func see(c Caller, done bool, a *asked) seen {
	s := seen{Subzone: c.Subzone, Account: c.Account, Authenticated: c.Authenticated, Trusted: c.Trusted, Binding: c.Binding, Status: a.status()}
	if c.Zone != nil {
		s.Zone = c.Zone.Name
	}
	if done {
		s = seen{Status: a.status()}
	}
	return s
}

func TestCheck(t *testing.T) {
	at := netip.MustParseAddrPort
	bound := table{
		at("10.1.0.1:5060"):   {{ID: 1, AOR: "alice@example.test", Subzone: "DefaultSubZone", Account: "alice"}},
		at("10.5.0.1:5060"):   {{ID: 2, AOR: "dave@example.test", Subzone: "lab"}},
		at("10.1.0.2:5060"):   {{ID: 3, AOR: "eve@example.test", Subzone: "lax"}},
		at("198.18.1.2:5080"): {{ID: 4, AOR: "dave@example.test", Subzone: "lab"}},
		at("10.1.0.3:5060"):   {{ID: 5, AOR: "dave@example.test", Subzone: "gone"}},
	}
	const alice, dave, stranger = "sip:alice@example.test", "sip:dave@example.test", "sip:x@elsewhere.test"
	tests := []struct {
		name, from, source, account, password string
		want                                  seen
	}{
		{"a zone", stranger, "198.18.1.2:5062", "", "", seen{Zone: "open", Trusted: true}},
		{"a zone by another port", alice, "198.18.1.2:6000", "", "", seen{Zone: "open", Trusted: true}},
		{"a zone that is asked", stranger, "198.18.1.3:5062", "", "", seen{Status: 407}},
		{"a zone that knows a password", stranger, "198.18.1.3:5062", "alice", "secret", seen{Zone: "checked", Authenticated: true, Account: "alice"}},
		{"a zone that is believed", stranger, "198.18.1.4:5062", "", "", seen{Zone: "believed", Authenticated: true}},
		{"registered", alice, "10.1.0.1:5060", "", "", seen{Status: 407}},
		{"registered, with password", alice, "10.1.0.1:5060", "alice", "secret", seen{Zone: "local", Subzone: "DefaultSubZone", Authenticated: true, Account: "alice", Binding: 1}},
		{"registered, with another's", alice, "10.1.0.1:5060", "bob@second.test", "secret", seen{Status: 403}},
		{"registered, anonymous", "sip:anonymous@anonymous.invalid", "10.1.0.1:5060", "alice", "secret", seen{Zone: "local", Subzone: "DefaultSubZone", Authenticated: true, Account: "alice", Binding: 1}},
		{"registered in a subzone that is believed", dave, "10.5.0.1:5060", "", "", seen{Zone: "local", Subzone: "lab", Authenticated: true, Binding: 2}},
		{"registered in a subzone that is not asked", "sip:eve@example.test", "10.1.0.2:5060", "", "", seen{Zone: "local", Subzone: "lax", Binding: 3}},
		{"registered in a subzone that has gone", dave, "10.1.0.3:5060", "", "", seen{Status: 407}},
		{"registered beside a zone", dave, "198.18.1.2:5080", "", "", seen{Zone: "local", Subzone: "lab", Authenticated: true, Binding: 4}},
		{"registered, as somebody else", "sip:bob@second.test", "10.5.0.1:5060", "", "", seen{Status: 407}},
		{"not registered", alice, "10.9.0.1:5060", "", "", seen{Status: 407}},
		{"not registered, with password", alice, "10.5.9.9:5060", "alice", "secret", seen{Zone: "local", Subzone: "lab", Authenticated: true, Account: "alice"}},
		{"not registered, an address as domain", "sip:alice@198.18.1.1", "10.9.0.1:5060", "", "", seen{Status: 407}},
		{"account of one domain", "sip:bob@second.test", "10.9.0.1:5060", "bob@second.test", "secret", seen{Zone: "local", Subzone: "DefaultSubZone", Authenticated: true, Account: "bob@second.test"}},
		{"account of another domain", "sip:bob@example.test", "10.9.0.1:5060", "bob@second.test", "secret", seen{Status: 403}},
		{"account in another case", alice, "10.9.0.1:5060", "Alice", "secret", seen{Status: 407}},
		{"wrong password", alice, "10.9.0.1:5060", "alice", "guess", seen{Status: 407}},
		{"no such account", alice, "10.9.0.1:5060", "mallory", "secret", seen{Status: 407}},
		{"stranger", stranger, "10.9.0.1:5060", "", "", seen{Zone: "DefaultZone"}},
		{"stranger with an account", stranger, "10.9.0.1:5060", "alice", "secret", seen{Zone: "DefaultZone"}},
		{"domain alone", "sip:example.test", "10.9.0.1:5060", "", "", seen{Zone: "DefaultZone"}},
	}
	g := newGuard(t, bound, "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := ask(t, "INVITE", test.from, test.source)
			who, done := g.check(a)
			if test.account != "" && a.status() == 407 {
				c := digest.Client{User: test.account, Password: test.password}
				value, ok := c.Answer(a.answer.All("Proxy-Authenticate"), "INVITE", "sip:carol@example.test")
				if !ok {
					t.Fatal("no challenge:", a.answer)
				}
				a = ask(t, "INVITE", test.from, test.source, "Proxy-Authorization: "+value)
				who, done = g.check(a)
			}
			if diff := cmp.Diff(test.want, see(who, done, a)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A connection over which the password was shown is not asked again.
func TestConnectionIsNotAskedAgain(t *testing.T) {
	source := "10.1.0.1:40000"
	g := newGuard(t, table{netip.MustParseAddrPort(source): {{ID: 1, AOR: "alice@example.test", Subzone: "DefaultSubZone", Account: "alice", Flow: 1}}}, "")
	a := ask(t, "INVITE", "sip:alice@example.test", source)
	a.src.Conn = new(loop.Conn)
	who, done := g.check(a)
	want := seen{Zone: "local", Subzone: "DefaultSubZone", Authenticated: true, Account: "alice", Binding: 1}
	if diff := cmp.Diff(want, see(who, done, a)); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultZoneModes(t *testing.T) {
	for mode, want := range map[string]seen{
		"check":                  {Status: 407},
		"do_not_check":           {Zone: "DefaultZone"},
		"treat_as_authenticated": {Zone: "DefaultZone", Authenticated: true},
	} {
		g := newGuard(t, nil, "default_zone: {authentication: "+mode+"}")
		a := ask(t, "INVITE", "sip:x@elsewhere.test", "10.9.0.1:5060")
		who, done := g.check(a)
		if diff := cmp.Diff(want, see(who, done, a)); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
}

// Unknown users and wrong passwords look the same, and so does who has tried too often.
func TestFailuresLookTheSame(t *testing.T) {
	g := newGuard(t, nil, "")
	try := func(user, password string) *asked {
		first := ask(t, "REGISTER", "sip:alice@example.test", "10.9.0.1:5060")
		if _, done := g.Register(first, nameOf(t, "alice@example.test"), "DefaultSubZone"); !done {
			t.Fatal("not asked")
		}
		c := digest.Client{User: user, Password: password}
		value, _ := c.Answer(first.answer.All("WWW-Authenticate"), "REGISTER", "sip:example.test")
		a := ask(t, "REGISTER", "sip:alice@example.test", "10.9.0.1:5060", "Authorization: "+value)
		g.Register(a, nameOf(t, "alice@example.test"), "DefaultSubZone")
		return a
	}
	shape := func(a *asked) string {
		if a.answer == nil {
			return "let in"
		}
		text := a.answer.String()
		for _, value := range a.answer.All("WWW-Authenticate") { // nonces differ
			_, nonce, _ := strings.Cut(value, `nonce="`)
			nonce, _, _ = strings.Cut(nonce, `"`)
			text = strings.ReplaceAll(text, nonce, "nonce")
		}
		return text
	}
	want := shape(try("mallory", "x"))
	if !strings.Contains(want, "401") {
		t.Fatal(want)
	}
	for range failureBurst {
		if diff := cmp.Diff(want, shape(try("alice", "guess"))); diff != "" {
			t.Fatal(diff)
		}
	}
	if diff := cmp.Diff(want, shape(try("alice", "secret"))); diff != "" {
		t.Error("the right password after too many wrong ones:", diff)
	}
}

func TestDigestOrder(t *testing.T) {
	for word, want := range map[string][]string{
		"md5_first": {"MD5", "SHA-256"}, "sha256_first": {"SHA-256", "MD5"}, "md5": {"MD5"}, "sha256": {"SHA-256"}, "": {"MD5"},
	} {
		g := newGuard(t, nil, "")
		n, err := config.Parse("node.yaml", []byte(strings.Replace(file, "udp: 5060", strings.TrimSuffix("udp: 5060, digest: "+word, ", digest: "), 1)))
		if err != nil {
			t.Fatal(err)
		}
		g.Change(n)
		a := ask(t, "INVITE", "sip:alice@example.test", "10.9.0.1:5060")
		g.check(a)
		var got []string
		for _, value := range a.answer.All("Proxy-Authenticate") {
			_, algorithm, _ := strings.Cut(value, "algorithm=")
			got = append(got, algorithm)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", word, diff)
		}
	}
}

func TestChangeTellsWhichAccountsHold(t *testing.T) {
	g := newGuard(t, nil, "")
	n, err := config.Parse("node.yaml", []byte(strings.NewReplacer("{name: alice, password: secret}", "{name: alice, password: other}, {name: new, password: x}").Replace(file)))
	if err != nil {
		t.Fatal(err)
	}
	holds := g.Change(n)
	for account, want := range map[string]bool{"alice": false, "bob@second.test": true, "new": true, "never": false} {
		if holds(account) != want {
			t.Errorf("%s: %v", account, !want)
		}
	}
	if holds := g.Change(n); !holds("alice") {
		t.Error("nothing changed, and alice goes")
	}
}

func nameOf(t *testing.T, text string) alias.Alias {
	t.Helper()
	a, err := alias.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
