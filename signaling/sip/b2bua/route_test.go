package b2bua

import (
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// CA-04: a full node
func TestRefusedCalls(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason dialplan.Reason
		change func(*message.Message)
		room   bool
		want   int
		header string
	}{
		{name: "nobody of that name", reason: dialplan.NotFound, want: 404},
		{name: "call policy", reason: dialplan.Denied, want: 403},
		{name: "a loop", reason: dialplan.SearchLoop, want: 482},
		{name: "a loop of rules", reason: dialplan.PolicyLoop, want: 482},
		{name: "no hops", reason: dialplan.HopsUsedUp, want: 483},
		{name: "silent peers", reason: dialplan.Unreachable, want: 480, header: "Retry-After"},
		{name: "addresses are off", reason: dialplan.IPRefused, want: 403},
		{name: "H.323 only", reason: dialplan.NoInterwork, want: 480},
		{name: "Max-Forwards", change: func(m *message.Message) { m.SetMaxForwards(0) }, want: 483},
		{name: "an extension", change: with("Require", "telepathy"), want: 420, header: "Unsupported"},
		{name: "an encoding", change: with("Content-Encoding", "gzip"), want: 415, header: "Accept-Encoding"},
		{name: "no description", change: withSDP("v=1"), want: 488, header: "Warning"},
		{name: "no stream of ours", change: withSDP(offerOf(alice, "message 7000 TCP/MSRP *")), want: 488},
		{name: "Replaces without tags", change: with("Replaces", "x"), want: 400},
		{name: "a full node", room: true, want: 503, header: "Retry-After"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				if r.reason = tc.reason; tc.reason != 0 {
					r.targets = nil
				}
				if tc.room {
					r.has = nil // the platform is that of the start
					r.configure(func(n *config.Node) { n.System.Platform, n.Calls.Max = config.PlatformCustom, 1 })
					r.occupy(0)
				}
				a := r.phone(alice)
				changes := []func(*message.Message){withSDP(offerOf(alice))}
				if tc.change != nil {
					changes = append(changes, tc.change)
				}
				req := a.invite(changes...)
				m := a.next(0)
				if m == nil || m.Status() != tc.want {
					t.Fatalf("answered %v, want %d", m, tc.want)
				}
				a.ack(req, m)
				if tc.header != "" && !m.Has(tc.header) {
					t.Errorf("no %s in\n%s", tc.header, m)
				}
			})
		})
	}
}

// The same alias in what is the same call by its Session-ID (facts A2.3).
func TestCallThatComesBack(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		id := in.Get("Session-ID")
		if len(id) != 32+8+32 {
			t.Fatalf("Session-ID %q", id)
		}
		// bob is another B2BUA, and sends the call back.
		b2 := r.phone(carol)
		back := b2.invite(withSDP(offerOf(carol)), with("Session-ID", id))
		b2.ack(back, b2.gets("482 INVITE"))
		b.answer(in, 482)
		b.gets("ACK")
		a.ack(req, a.gets("482 INVITE"))
		// Once the call is over, the same caller may call again.
		again := r.phone(carol)
		again.name = "again"
		req = again.invite(withSDP(offerOf(carol)), with("Session-ID", id))
		b.answer(b.gets("INVITE"), 486)
		b.gets("ACK")
		again.ack(req, again.gets("486 INVITE"))
	})
}

func TestMaxForwards(t *testing.T) {
	inRig(t, func(r *rig) {
		r.targets[0].HopCount = 15
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		if n, _ := in.MaxForwards(); n != 14 {
			t.Errorf("Max-Forwards %d, want 14", n)
		}
		b.answer(in, 486)
		b.gets("ACK")
		a.ack(req, a.gets("486 INVITE"))
		if got := r.asked[0].HopCount; got != 70 {
			t.Errorf("asked with hop count %d", got)
		}
	})
}

func TestRedirected(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		r.callees(carol)
		b.answer(in, 302, func(m *message.Message) {
			m.SetContacts(message.Address{URI: message.URI{Scheme: "sip", User: "carol", Host: "example.test"}})
		})
		b.gets("ACK")
		c := r.phone(carol)
		in = c.gets("INVITE")
		if last := r.asked[len(r.asked)-1]; last.Alias.String() != "carol@example.test" || len(last.Trail) != 1 {
			t.Errorf("asked for %v after %v", last.Alias, last.Trail)
		}
		c.answer(in, 486)
		c.gets("ACK")
		a.ack(req, a.gets("486 INVITE"))
	})
}

// Nothing of one side is seen on the other.
func TestTopologyIsHidden(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)), with("User-Agent", "Phone/1.0"), with("X-Secret", "198.51.100.9"),
			with("Subject", "lunch"), with("Record-Route", "<sip:198.51.100.9;lr>"), with("Call-Info", "<http://example.test/>"))
		in := b.gets("INVITE")
		text := in.String()
		for _, secret := range []string{"198.51.100", "call-alice", "tag-alice", "Phone/1.0", "X-Secret"} {
			if strings.Contains(text, secret) {
				t.Errorf("bob sees %s in\n%s", secret, text)
			}
		}
		if in.Get("Subject") != "lunch" || !in.Has("Call-Info") || in.Get("User-Agent") != "Turnpike" || in.Vias() != 1 {
			t.Errorf("bob sees\n%s", text)
		}
		b.answer(in, 200, withSDP(offerOf(bob)), with("Server", "Phone/2.0"))
		b.gets("ACK")
		ok := a.gets("200 INVITE")
		text = ok.String()
		for _, secret := range []string{"192.0.2.", "tag-bob", "Phone/2.0", in.CallID()} {
			if strings.Contains(text, secret) {
				t.Errorf("alice sees %s in\n%s", secret, text)
			}
		}
		a.to = ok.To()
		a.ack(req, ok)
		hangUp(a, b)
	})
}

func TestDirectMedia(t *testing.T) {
	inRig(t, func(r *rig) {
		r.callees(alice)
		r.rules.mode = config.MediaDirect
		a, b := r.phone(bob), r.phone(carol)
		r.callees(carol)
		req := a.invite(withSDP(offerOf(bob)))
		in := b.gets("INVITE")
		if !strings.Contains(string(in.Body()), "c=IN IP4 192.0.2.9") {
			t.Errorf("carol is offered\n%s", in.Body())
		}
		b.answer(in, 200, withSDP(offerOf(carol)))
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"))
		hangUp(a, b)
		r.settle()
		if c := r.ended(); c.Media.Traversal || len(c.Streams) != 1 || c.Streams[0].Path != "direct" {
			t.Errorf("recorded as %+v, %+v", c.Media, c.Streams)
		}
	})
}
