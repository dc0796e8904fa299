package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestARequestIsPassedOn(t *testing.T) {
	r := newRig(t)
	a, b := r.agent(), r.agent()
	r.plan(dialplan.Found, to(b))
	req := a.request(message.MessageMethod)
	req.SetRoutes(message.Address{URI: message.URI{Scheme: "sip", Host: "192.0.2.99", Params: message.Params{{Name: "lr"}}}}) // nobody's to follow
	req.Set("P-Asserted-Identity", "<sip:boss@example.test>")
	req.Set("Proxy-Authorization", "Digest username=\"a\"")
	req.Set("X-Kept", "yes")
	req.SetBody("text/plain", []byte("hello"))
	a.send(req)
	got := b.answer(200)
	hops, _ := got.MaxForwards()
	if got.URI().User != "contact" || hops != 69 || got.Vias() != 2 || got.Has("Route") || got.Has("P-Asserted-Identity") || got.Has("Proxy-Authorization") ||
		got.Get("X-Kept") != "yes" || string(got.Body()) != "hello" || got.Has("Record-Route") {
		t.Errorf("passed on as\n%s", got)
	}
	answer := a.receive()
	if answer.Status() != 200 || answer.Vias() != 1 || answer.Via().Branch() != req.Via().Branch() {
		t.Errorf("answered with\n%s", answer)
	}
	if asked := r.search(); asked.Alias.String() != "bob@example.test" || asked.HopCount != 70 {
		t.Errorf("searched for %+v", asked)
	}
}

// RFC 3261 section 16.7, step 6, and RFC 3263 section 4.3.
func TestTheBestAnswer(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name     string
		statuses []int
		want     int
	}{
		{"a success", []int{404, 200}, 200},
		{"what ends the search", []int{404, 603}, 603},
		{"what the caller can do something about", []int{404, 415}, 415},
		{"the lowest class", []int{500, 404}, 404},
		{"a redirection", []int{404, 302}, 302},
		{"503 is the callee's, not the node's", []int{503}, 500},
		{"a challenge of each", []int{401, 407}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.agent()
			var all []*agent
			for range c.statuses {
				all = append(all, r.agent())
			}
			r.plan(dialplan.Found, to(all...))
			a.send(a.request(message.MessageMethod))
			for i, b := range all {
				b.answer(c.statuses[i], func(m *message.Message) {
					switch m.Status() {
					case 401:
						m.Set("WWW-Authenticate", "Digest realm=\"one\"")
					case 407:
						m.Set("Proxy-Authenticate", "Digest realm=\"two\"")
					}
				})
			}
			got := a.receive()
			if got.Status() != c.want && (c.want != 401 || got.Status() != 407) {
				t.Errorf("answered with %d, want %d", got.Status(), c.want)
			}
			if c.want == 401 && (!got.Has("WWW-Authenticate") || !got.Has("Proxy-Authenticate")) {
				t.Errorf("a challenge is missing:\n%s", got)
			}
		})
	}
}

func TestTheNextPlaceAndTheNextGroup(t *testing.T) {
	r := newRig(t)
	a, busy, second, last := r.agent(), r.agent(), r.agent(), r.agent()
	r.plan(dialplan.Found, [][]netip.AddrPort{{}, {busy.at, second.at}}, to(last))
	a.send(a.request(message.MessageMethod))
	busy.answer(503)
	second.answer(404)
	last.answer(202)
	if got := a.receive().Status(); got != 202 {
		t.Errorf("answered with %d", got)
	}
}

func TestNobodyIsThere(t *testing.T) {
	r := newRig(t)
	for reason, want := range map[dialplan.Reason]int{
		dialplan.NotFound: 404, dialplan.Denied: 403, dialplan.HopsUsedUp: 483, dialplan.Unreachable: 480, dialplan.SearchLoop: 482, dialplan.IPRefused: 403,
	} {
		r.plan(reason)
		a := r.agent()
		a.send(a.request(message.Subscribe))
		if got := a.receive().Status(); got != want {
			t.Errorf("%v is answered with %d, want %d", reason, got, want)
		}
	}
}

func TestRequestsThatGoNoFurther(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		change func(*message.Message)
		want   int
	}{
		"too many hops":   {func(m *message.Message) { m.SetMaxForwards(0) }, 483},
		"too many copies": {func(m *message.Message) { m.Set("Max-Breadth", "0") }, 440},
		"required of us":  {func(m *message.Message) { m.Set("Proxy-Require", "magic") }, 420},
		"no URI of SIP": {func(m *message.Message) {
			u, _ := message.ParseURI("mailto:bob@example.test")
			m.SetURI(u)
		}, 416},
		"no dialog of any": {func(m *message.Message) { m.SetTo(m.To().WithTag("x")) }, 481},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.agent()
			req := a.request(message.MessageMethod)
			c.change(req)
			a.send(req)
			if got := a.receive().Status(); got != c.want {
				t.Errorf("answered with %d, want %d", got, c.want)
			}
		})
	}
}

// RFC 5393: a request that comes back as it was is a loop, one that comes back for somebody else is a spiral.
func TestLoops(t *testing.T) {
	r := newRig(t)
	a, b := r.agent(), r.agent()
	r.plan(dialplan.Found, to(b))
	a.send(a.request(message.MessageMethod))
	req := b.receive()
	again := req.Clone()
	again.SetURI(message.URI{Scheme: "sip", User: "bob", Host: "example.test"})
	b.send(again)
	if got := b.receive(); got.Status() != 482 {
		t.Errorf("a loop is answered with\n%s", got)
	}
	spiral := req.Clone()
	spiral.SetURI(message.URI{Scheme: "sip", User: "carol", Host: "example.test"})
	b.send(spiral)
	if got := b.receive(); !got.IsRequest() {
		t.Errorf("a spiral is answered with\n%s", got)
	}
	looped := message.NewResponse(req, 482, "")
	looped.SetTo(looped.To().WithTag("b"))
	b.send(looped)
	if got := a.receive(); got.Status() != 482 {
		t.Errorf("answered with\n%s", got)
	}
}

// RFC 5393 section 5.3.3: as many at a time as the breadth allows.
func TestBreadth(t *testing.T) {
	r := newRig(t)
	a, one, two := r.agent(), r.agent(), r.agent()
	r.plan(dialplan.Found, to(one, two))
	req := a.request(message.MessageMethod)
	req.Set("Max-Breadth", "1")
	a.send(req)
	if got := one.answer(404).Get("Max-Breadth"); got != "1" {
		t.Errorf("Max-Breadth %q", got)
	}
	two.answer(200)
	if got := a.receive().Status(); got != 200 {
		t.Errorf("answered with %d", got)
	}
}

// RFC 3261 section 16.12, RFC 5658: a subscription stays on the way that it began on.
func TestADialogComesByHereAgain(t *testing.T) {
	r := newRig(t)
	a, b := r.agent(), r.agent()
	r.plan(dialplan.Found, to(b))
	a.send(a.request(message.Subscribe))
	seen := b.answer(200)
	answer := a.receive()
	if len(seen.RecordRoutes()) != 2 {
		t.Fatalf("%d Record-Routes:\n%s", len(seen.RecordRoutes()), seen)
	}

	b.send(b.within(message.Notify, seen, false))
	notify := a.answer(200)
	if notify.Has("Route") || notify.URI().String() != a.uri().String() {
		t.Errorf("the notification came as\n%s", notify)
	}
	if got := b.receive().Status(); got != 200 {
		t.Errorf("NOTIFY is answered with %d", got)
	}

	a.send(a.within(message.Subscribe, answer, true))
	refresh := b.answer(200)
	if refresh.Has("Route") || refresh.URI().String() != b.uri().String() {
		t.Errorf("the refresh came as\n%s", refresh)
	}
	if got := a.receive().Status(); got != 200 {
		t.Errorf("SUBSCRIBE is answered with %d", got)
	}

	forged := a.within(message.Subscribe, answer, true)
	routes := forged.Routes()
	for i := range routes {
		routes[i].URI.User = strings.ToUpper(routes[i].URI.User)
	}
	forged.SetRoutes(routes...)
	a.send(forged)
	if got := a.receive().Status(); got != 481 {
		t.Errorf("a token that is not ours is answered with %d", got)
	}
}

func TestTokens(t *testing.T) {
	s := newSigner([]byte("key"))
	r := newRig(t)
	a := r.agent()
	for _, h := range hops(a.at) {
		got, ours := s.hop(s.token(h))
		if !ours {
			t.Errorf("%+v is not known again", h)
		}
		if diff := cmp.Diff(h, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		if _, ours := newSigner([]byte("another")).hop(s.token(h)); ours {
			t.Error("another node's token is taken for ours")
		}
	}
}

// Nothing but what this node wrote is a token.
func FuzzToken(f *testing.F) {
	s := newSigner([]byte("key"))
	for _, h := range hops(netip.MustParseAddrPort("192.0.2.1:5060")) {
		f.Add(s.token(h))
	}
	f.Fuzz(func(t *testing.T, token string) {
		if h, ours := s.hop(token); ours && s.token(h) != strings.NewReplacer("\r", "", "\n", "").Replace(token) {
			t.Errorf("%q is read as %+v, which is written %q", token, h, s.token(h))
		}
	})
}
