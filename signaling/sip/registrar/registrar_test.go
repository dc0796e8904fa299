package registrar

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// uris are the addresses of the contacts of an answer.
func uris(m *message.Message) []string {
	out := []string{}
	for _, c := range m.Contacts() {
		out = append(out, c.URI.String())
	}
	return out
}

func TestRegister(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			r := newRig(t)
			p := r.phone(network, "alice")
			ok := p.must(200, "Contact: "+p.contact(), "Expires: 3600", "User-Agent: phone/1")
			if c := ok.Contacts(); len(c) != 1 {
				t.Fatal(ok)
			} else if e, _ := c[0].Params.Get("expires"); e != "300" { // the node's longest
				t.Errorf("expires in %s s", e)
			}
			b := r.table.Of("alice@example.test")[0]
			if b.Source.String() != p.conn.LocalAddr().String() || b.Local != r.at || b.Transport != network || b.Account != "alice" ||
				b.Subzone != config.DefaultSubzoneName || b.UserAgent != "phone/1" || (b.Flow != 0) != (network == "tcp") {
				t.Errorf("%+v", b)
			}
			again := p.must(200, "Contact: "+p.contact())
			if got := r.table.Of("alice@example.test"); len(got) != 1 || got[0].ID != b.ID || len(again.Contacts()) != 1 {
				t.Errorf("after a refresh: %v", got)
			}
			if diff := cmp.Diff(uris(ok), uris(p.must(200))); diff != "" { // a question
				t.Error(diff)
			}
			if left := uris(p.must(200, "Contact: "+p.contact()+";expires=0")); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// LI-01: a device keeps the licence that it came with for as long as it refreshes.
func TestDesktopDevices(t *testing.T) {
	t.Parallel()
	r := newRig(t, "licensing: {desktop_devices: [DeskPhone]}")
	p := r.phone("udp", "alice")
	is := func() bool {
		t.Helper()
		return r.table.Of("alice@example.test")[0].Desktop
	}
	p.must(200, "Contact: "+p.contact(), "User-Agent: deskphone/2")
	if !is() {
		t.Error("a desktop device is taken for a room system")
	}
	p.must(200, "Contact: "+p.contact(), "User-Agent: Room Kit")
	if !is() {
		t.Error("a refresh changes the licence")
	}
	p.must(200, "Contact: "+p.contact()+";expires=0")
	p.must(200, "Contact: "+p.contact(), "User-Agent: Room Kit")
	if is() {
		t.Error("a room system is taken for a desktop device")
	}
}

func TestManyContacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	p.must(200, "Contact: <sip:a@192.0.2.1>;q=0.5, <sip:b@192.0.2.2>;expires=100;+x=\"y\"", "Contact: <sip:c@192.0.2.3;transport=tcp>")
	other := r.phone("udp", "alice")
	other.must(200, "Contact: <sip:A@192.0.2.1>;q=0.1") // another user: another URI
	ok := other.must(200, "Contact: <sip:b@192.0.2.2>;expires=0")
	want := []string{"sip:a@192.0.2.1", "sip:c@192.0.2.3;transport=tcp", "sip:A@192.0.2.1"}
	if diff := cmp.Diff(want, uris(ok)); diff != "" {
		t.Error(diff)
	}
	if text := ok.All("Contact")[0]; !strings.Contains(text, ";q=0.5;expires=") {
		t.Error(text)
	}
	if got := len(r.table.Lookup(nil, "alice@example.test")); got != 3 { // all of them ring (facts A8)
		t.Errorf("%d places ring", got)
	}
	if ok := p.must(200, "Contact: *", "Expires: 0"); len(ok.Contacts()) != 0 {
		t.Error(ok)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("x", maxText)
	for name, test := range map[string]struct {
		lines  []string
		status int
		field  string // that the answer has
	}{
		"star with another":         {[]string{"Contact: *, <sip:a@192.0.2.1>", "Expires: 0"}, 400, ""},
		"star that expires later":   {[]string{"Contact: *", "Expires: 1"}, 400, ""},
		"star without Expires":      {[]string{"Contact: *"}, 400, ""},
		"too brief":                 {[]string{"Contact: <sip:a@192.0.2.1>;expires=30"}, 423, "Min-Expires"},
		"too brief altogether":      {[]string{"Contact: <sip:a@192.0.2.1>", "Expires: 1"}, 423, "Min-Expires"},
		"q above one":               {[]string{"Contact: <sip:a@192.0.2.1>;q=1.5"}, 400, ""},
		"no SIP":                    {[]string{"Contact: <mailto:a@example.test>"}, 400, ""},
		"contact too long":          {[]string{"Contact: <sip:" + long + "@192.0.2.1>"}, 400, ""},
		"parameters too long":       {[]string{"Contact: <sip:a@192.0.2.1>;x=" + long}, 400, ""},
		"path too long":             {[]string{"Contact: <sip:a@192.0.2.1>", "Path: <sip:" + long + "@192.0.2.1;lr>"}, 400, ""},
		"path of too many":          {[]string{"Contact: <sip:a@192.0.2.1>", "Path: " + strings.Repeat("<sip:192.0.2.1;lr>,", maxPath) + "<sip:192.0.2.1;lr>"}, 400, ""},
		"two contacts with reg-id":  {[]string{`Contact: <sip:a@192.0.2.1>;+sip.instance="<urn:a>";reg-id=1,<sip:b@192.0.2.1>;+sip.instance="<urn:a>";reg-id=2`}, 400, ""},
		"reg-id of letters":         {[]string{`Contact: <sip:a@192.0.2.1>;+sip.instance="<urn:a>";reg-id=x`}, 400, ""},
		"an option nobody knows":    {[]string{"Contact: <sip:a@192.0.2.1>", "Require: gruu"}, 420, "Unsupported"},
		"too many contacts at once": {[]string{"Contact: " + manyContacts(registrations.MaxContacts+1)}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.phone("udp", "alice")
			m := p.must(test.status, test.lines...)
			if test.field != "" && !m.Has(test.field) {
				t.Errorf("the answer has no %s:\n%v", test.field, m)
			}
			if got := r.table.List(); len(got) != 0 {
				t.Errorf("it left %v", got)
			}
		})
	}
}

func manyContacts(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("<sip:a%d@192.0.2.1>", i))
	}
	return strings.Join(all, ",")
}

// What one client said later counts, whatever comes in which order (RFC 3261 section 10.3
// step 7).
func TestOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	p.must(200, "Contact: "+p.contact())
	p.seq = 0
	p.must(500, "Contact: "+p.contact()+";expires=0")
	p.seq = 0
	p.must(500, "Contact: *", "Expires: 0")
	p.callID, p.seq = message.NewCallID(), 0
	p.must(200, "Contact: "+p.contact()+";expires=0")
}

// Facts A8: lists and subzones decide about new registrations; those that are there stay.
func TestRestriction(t *testing.T) {
	t.Parallel()
	r := newRig(t, `
registrations: {restriction: deny, deny: [{name: no-bob, pattern: {type: prefix, string: "bob@"}}]}
subzones: [{name: closed, registrations: deny}, {name: lab, authentication: treat_as_authenticated}]
membership_rules:
  - {name: closed, priority: 1, type: alias, pattern: {type: prefix, string: "eve@"}, subzone: closed}
  - {name: lab, priority: 2, type: alias, pattern: {type: prefix, string: "lab"}, subzone: lab}
`)
	p := r.phone("udp", "bob")
	p.must(403, "Contact: "+p.contact())
	p.must(200, "Contact: "+p.contact()+";expires=0")
	lab := r.phone("udp", "lab7")
	if m := lab.send(lab.request("Contact: " + lab.contact())); m.Status() != 200 {
		t.Errorf("a subzone that trusts: %v", m)
	}
	if b := r.table.Of("lab7@example.test"); len(b) != 1 || b[0].Subzone != "lab" || b[0].Account != "" {
		t.Errorf("%+v", b)
	}
	alice := r.phone("udp", "alice")
	alice.must(200, "Contact: "+alice.contact())
	changed := r.node.Clone()
	changed.Registrations.Deny[0].Pattern.String = "alice@"
	if err := r.router.Change(changed, routing.Surroundings{Own: []netip.Addr{r.at.Addr()}}); err != nil {
		t.Fatal(err)
	}
	alice.must(200, "Contact: "+alice.contact())
	alice.must(403, "Contact: <sip:another@192.0.2.1>")
}

// CL-03: an account registers its own name, with its own password.
func TestAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, test := range map[string]struct {
		user, account, password string
		status                  int
	}{
		"own name":         {"alice", "alice", "secret", 200},
		"case of the name": {"ALICE", "alice", "secret", 200},
		"another's name":   {"alice", "bob", "secret", 403},
		"wrong password":   {"alice", "alice", "guess", 401},
		"no such account":  {"mallory", "mallory", "secret", 401},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.phone("udp", test.user)
			p.client.User, p.client.Password = test.account, test.password
			p.must(test.status, "Contact: "+p.contact())
		})
	}
	before := len(r.table.List())
	changed := r.node.Clone()
	changed.Accounts[0].Password = "another"
	r.table.Revoke(r.guard.Change(changed))
	if got := r.table.List(); len(got) != 0 || before == 0 {
		t.Errorf("after the password changed there are %v, before %d", got, before)
	}
}

func TestForeignDomain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	m := p.request("Contact: " + p.contact())
	to := m.To()
	to.URI.Host = "other.test"
	m.SetTo(to)
	if got := p.send(m).Status(); got != 403 {
		t.Errorf("a name of another domain: %d", got)
	}
	m = p.request("Contact: " + p.contact())
	m.SetURI(message.URI{Scheme: "sip", Host: "other.test"})
	if got := p.send(m).Status(); got != 403 {
		t.Errorf("a request for another domain: %d", got)
	}
	m = p.request("Contact: " + p.contact())
	to.URI.Host, to.URI.User = "example.test", ""
	m.SetTo(to)
	if got := p.send(m).Status(); got != 404 {
		t.Errorf("a name without a user: %d", got)
	}
}

// CA-01, CA-04
func TestFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, "registrations: {max: 1}")
	p := r.phone("udp", "alice")
	p.must(200, "Contact: "+p.contact())
	other := r.phone("udp", "bob")
	if m := other.must(503, "Contact: "+other.contact()); m.Get("Retry-After") != fullRetryAfter {
		t.Error(m)
	}
	p.must(200, "Contact: "+p.contact())
}

// RG-08: phones move to another node, or leave; who is registered stays for its time.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	p.must(200, "Contact: "+p.contact(), "Contact: <sip:other@192.0.2.1>", "Contact: <sip:third@192.0.2.1>")
	r.stack.Drain(true)
	for name, test := range map[string]struct {
		lines  []string
		status int
	}{
		"refresh":                   {[]string{"Contact: " + p.contact()}, 503},
		"question":                  {nil, 503},
		"one leaves, another stays": {[]string{"Contact: " + p.contact() + ";expires=0", "Contact: <sip:other@192.0.2.1>"}, 503},
		"longer than the request":   {[]string{"Contact: " + p.contact() + ";expires=60", "Expires: 0"}, 503},
	} {
		if m := p.must(test.status, test.lines...); !m.Has("Retry-After") {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	if got := len(r.table.Of("alice@example.test")); got != 3 {
		t.Errorf("%d contacts stay", got)
	}
	p.must(200, "Contact: "+p.contact()+";expires=0")
	p.must(200, "Contact: <sip:other@192.0.2.1>", "Expires: 0")
	if left := uris(p.must(200, "Contact: *", "Expires: 0")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

const instance = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"`

// RG-03: RFC 5626 section 6.
func TestOutbound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("tcp", "alice")
	ok := p.must(200, "Contact: "+p.contact()+instance+";reg-id=1", "Supported: path, outbound")
	if ok.Get("Require") != "outbound" || ok.Get("Flow-Timer") == "" {
		t.Errorf("not confirmed:\n%v", ok)
	}
	second := r.phone("tcp", "alice")
	second.must(200, "Contact: "+p.contact()+instance+";reg-id=2", "Supported: outbound")
	if got := r.table.Of("alice@example.test"); len(got) != 2 {
		t.Fatalf("two flows of one endpoint: %v", got)
	}
	ways := r.table.Lookup(nil, "alice@example.test")
	if len(ways) != 1 || len(r.table.Flows(ways[0].ID)) != 2 {
		t.Errorf("one of two flows is tried first: %v", ways)
	}
	again := r.phone("tcp", "alice")
	again.must(200, "Contact: "+again.contact()+instance+";reg-id=2", "Supported: outbound")
	if got := r.table.Of("alice@example.test"); len(got) != 2 {
		t.Errorf("a flow that took the place of another: %v", got)
	}
	again.closed()
	eventually(t, func() bool { return len(r.table.Of("alice@example.test")) == 1 })
	second.closed() // whose place was taken
	p.closed()
	eventually(t, func() bool { return len(r.table.List()) == 0 })
}

func TestOutboundIsNotConfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	udp := r.phone("udp", "alice")
	ok := udp.must(200, "Contact: "+udp.contact()+instance+";reg-id=1", "Supported: outbound")
	if ok.Has("Require") {
		t.Errorf("over UDP, where no flow is kept:\n%v", ok)
	}
	tcp := r.phone("tcp", "bob")
	if ok := tcp.must(200, "Contact: "+tcp.contact()+instance+";reg-id=1"); ok.Has("Require") {
		t.Errorf("for who does not know it:\n%v", ok)
	}
	m := tcp.request("Contact: "+tcp.contact()+instance+";reg-id=1", "Supported: outbound")
	m.PushVia(message.Via{Transport: "TCP", Host: "192.0.2.9", Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
	value, _ := tcp.client.Next("REGISTER", "sip:example.test")
	m.Set("Authorization", value)
	if got := tcp.send(m).Status(); got != 439 {
		t.Errorf("through a proxy that knows it not: %d", got)
	}
}

// RFC 3327 section 5.3.
func TestPath(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	path := "<sip:token@192.0.2.9;lr;ob>"
	ok := p.must(200, "Contact: "+p.contact(), "Supported: path", "Path: "+path+", <sip:192.0.2.10;lr>")
	want := []string{path, "<sip:192.0.2.10;lr>"}
	if diff := cmp.Diff(want, ok.Tokens("Path")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, r.table.Of("alice@example.test")[0].Path); diff != "" {
		t.Error(diff)
	}
}

// A phone that starts again with the same instance takes the place of what it was.
func TestInstanceSupersedes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("udp", "alice")
	p.must(200, "Contact: <sip:a@192.0.2.1:1111>"+instance)
	again := r.phone("udp", "alice")
	if got := uris(again.must(200, "Contact: <sip:a@192.0.2.1:2222>"+instance)); len(got) != 1 {
		t.Error(got)
	}
}

// A connection that nobody is registered over any more may close when nothing comes.
func TestConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.phone("tcp", "alice")
	p.must(200, "Contact: "+p.contact())
	flow := r.table.Of("alice@example.test")[0].Flow
	r.registrar.tidy()
	if r.registrar.Flows.Conn(flow) == nil {
		t.Error("a connection that is used is given up")
	}
	p.must(200, "Contact: "+p.contact()+";expires=0")
	r.registrar.tidy()
	if r.registrar.Flows.Conn(flow) == nil {
		t.Error("a connection is given up at once")
	}
	r.registrar.tidy()
	if r.registrar.Flows.Conn(flow) != nil {
		t.Error("a connection that nobody uses is kept")
	}
}

// eventually waits for what a loop does beside.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(5 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it does not happen")
		}
	}
}
