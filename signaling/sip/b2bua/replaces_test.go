package b2bua

import (
	"net/url"
	"strings"
	"testing"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// Attended transfer: alice talks to bob and, in another call, to carol; she refers bob to
// carol, whose call with alice is replaced (RFC 5589 section 7).
func TestAttendedTransfer(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		r.callees(carol)
		a2, c := r.phone(alice), r.phone(carol)
		a2.name = "second"
		req := a2.invite(withSDP(offerOf(alice)))
		in := c.gets("INVITE")
		c.answer(in, 200, withSDP(offerOf(carol)))
		c.gets("ACK")
		ok := a2.gets("200 INVITE")
		a2.ack(req, ok)

		// as alice knows the dialog with carol: to-tag is the far end's
		mine := a2.id + ";to-tag=" + ok.To().Tag() + ";from-tag=" + a2.tag
		a.send(message.Refer, with("Refer-To", "<sip:carol@example.test?Replaces="+url.QueryEscape(mine)+"&X=1>"))
		refer := b.gets("REFER")
		b.answer(refer, 202)
		a.gets("202 REFER")
		target, err := message.ParseAddress(refer.Get("Refer-To"))
		if err != nil {
			t.Fatal(err)
		}
		theirs, rest, found := replacesIn(target.URI.Headers)
		if !found || rest != "&X=1" || theirs.callID != c.id || theirs.to != c.tag || theirs.from != c.to.Tag() {
			t.Fatalf("bob is referred to %s; carol has %s, %s, %s", refer.Get("Refer-To"), c.id, c.tag, c.to.Tag())
		}

		for i, name := range []string{theirs.String(), mine} {
			r.callees(dave) // the dial plan is not asked
			b2 := r.phone(bob)
			b2.name = "bob-" + strings.Repeat("2", i+1)
			req = b2.invite(withSDP(offerOf(bob)), with("Replaces", name), with("Require", "replaces"))
			in = c.gets("INVITE")
			if got := in.Get("Replaces"); got != theirs.String() {
				t.Errorf("carol is asked to replace %q, wanted %q", got, theirs)
			}
			c2 := r.phone(carol)
			c2.answer(in, 486)
			c2.gets("ACK")
			b2.ack(req, b2.gets("486 INVITE"))
		}
		hangUp(a, b)
		hangUp(a2, c)
	})
}
