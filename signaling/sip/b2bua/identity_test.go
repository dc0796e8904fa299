package b2bua

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Who callees see, by whom they are and what the caller wants (RFC 3323, 3325).
func TestIdentity(t *testing.T) {
	const asserted = "<sip:alice@trusted.test>"
	local := &zones.Zone{Name: "local", Type: zones.Local, SIP: true}
	neighbour := &zones.Zone{Name: "out", Type: zones.Neighbour, SIP: true}
	for _, tc := range []struct {
		name    string
		who     access.Caller
		privacy string
		proud   bool // the callee is inside the trust boundary
		asserts string
		from    string
		pai     string
		subject string
	}{
		{"a trusted zone", access.Caller{Zone: neighbour, Trusted: true}, "", true, asserted, "sip:alice@example.test", asserted, "lunch"},
		{"to one that is not", access.Caller{Zone: neighbour, Trusted: true}, "", false, asserted, "sip:alice@example.test", asserted, "lunch"},
		{"from one that is not", access.Caller{Zone: neighbour}, "", true, asserted, "sip:alice@example.test", "", "lunch"},
		{"privacy, inside", access.Caller{Zone: neighbour, Trusted: true}, "id", true, asserted, "sip:alice@example.test", asserted, "lunch"},
		{"privacy, outside", access.Caller{Zone: neighbour, Trusted: true}, "id", false, asserted, "sip:alice@example.test", "", "lunch"},
		{"anonymous, outside", access.Caller{Zone: neighbour, Trusted: true}, "user;id", false, asserted, "sip:anonymous@anonymous.invalid", "", ""},
		{"anonymous, inside", access.Caller{Zone: neighbour, Trusted: true}, "user;id", true, asserted, "sip:alice@example.test", asserted, "lunch"},
		{"an account", access.Caller{Zone: local, Account: "alice", Authenticated: true}, "", true, "", "sip:alice@example.test", "<sip:alice@example.test>", "lunch"},
		{"an account that says it is another", access.Caller{Zone: local, Account: "mallory", Authenticated: true}, "", true, asserted, "sip:alice@example.test", "", "lunch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.who, r.rules.proud = tc.who, tc.proud
				a, b := r.phone(alice), r.phone(bob)
				change := []func(*message.Message){withSDP(offerOf(alice)), with("Subject", "lunch"), with("Authorization", `Digest username="alice"`)}
				if tc.asserts != "" {
					change = append(change, with("P-Asserted-Identity", tc.asserts))
				}
				if tc.privacy != "" {
					change = append(change, with("Privacy", tc.privacy))
				}
				req := a.invite(change...)
				in := b.gets("INVITE")
				b.answer(in, 486)
				b.gets("ACK")
				a.ack(req, a.gets("486 INVITE"))
				got := []string{in.From().URI.String(), in.Get("P-Asserted-Identity"), in.Get("Subject")}
				if d := cmp.Diff([]string{tc.from, tc.pai, tc.subject}, got); d != "" {
					t.Errorf("bob sees (-want +got):\n%s", d)
				}
				if in.Has("Authorization") != (tc.who.Account == "") {
					t.Errorf("Authorization %q", in.Get("Authorization"))
				}
			})
		})
	}
}

// Session-ID goes from end to end (RFC 7989 section 6).
func TestSessionID(t *testing.T) {
	const mine, theirs = "ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2"
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)), with("Session-ID", mine+";remote="+nobody))
		in := b.gets("INVITE")
		if got := in.Get("Session-ID"); got != mine+";remote="+nobody {
			t.Errorf("bob sees %q", got)
		}
		b.answer(in, 486, with("Session-ID", theirs+";remote="+mine))
		b.gets("ACK")
		m := a.gets("486 INVITE")
		a.ack(req, m)
		if got := m.Get("Session-ID"); got != theirs+";remote="+mine {
			t.Errorf("alice sees %q", got)
		}
	})
}

// Who wants its session hidden has its media relayed (RFC 3323 section 5.2).
func TestSessionPrivacy(t *testing.T) {
	for _, tc := range []struct {
		privacy string
		relayed bool
	}{{"session", true}, {"id; session", true}, {"none", false}, {"", false}} {
		inRig(t, func(r *rig) {
			r.callees(carol)
			a, c := r.phone(bob), r.phone(carol)
			req := a.invite(withSDP(offerOf(bob)), with("Privacy", tc.privacy))
			in := c.gets("INVITE")
			c.answer(in, 486)
			c.gets("ACK")
			a.ack(req, a.gets("486 INVITE"))
			if hidden := !strings.Contains(string(in.Body()), "192.0.2.9"); hidden != tc.relayed {
				t.Errorf("Privacy %q: relayed %t\n%s", tc.privacy, hidden, in.Body())
			}
		})
	}
}
