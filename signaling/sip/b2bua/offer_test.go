package b2bua

import (
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/sip/message"
)

var rel = []func(*message.Message){with("Supported", "100rel")}

func reliable(n string) func(*message.Message) {
	return func(m *message.Message) { m.Set("Require", "100rel"); m.Set("RSeq", n) }
}

// prack acknowledges a reliable provisional response.
func (p *phone) prack(resp *message.Message, change ...func(*message.Message)) {
	p.dialog(resp)
	p.send(message.Prack, append(change, with("RAck", resp.Get("RSeq")+" 1 INVITE"))...)
}

// The offer is in the 200, the answer in the ACK (RFC 3261 section 13.2.1).
func TestDelayedOffer(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite()
		in := b.gets("INVITE")
		if len(in.Body()) > 0 {
			t.Error("an offer from nobody")
		}
		b.answer(in, 200, withSDP(offerOf(bob)))
		ok := a.gets("200 INVITE")
		a.ack(req, ok, withSDP(offerOf(alice)))
		b.gets("ACK")
		hangUp(a, b)
		r.settle()
		r.golden("delayed-offer")
		c := r.relay.all[0]
		if got := c.set[[2]int{0, int(legA)}].RTP.Addr(); got != alice.Addr() {
			t.Errorf("alice's media is at %v", got)
		}
	})
}

func hangUp(a, b *phone) {
	a.r.t.Helper()
	a.send(message.Bye)
	a.gets("200 BYE")
	b.answer(b.gets("BYE"), 200)
}

// The 200 comes again until its ACK, which has the answer (RFC 3261 section 13.3.1.4).
func TestDelayedOfferWithLostAck(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite()
		in := b.gets("INVITE")
		b.answer(in, 200, withSDP(offerOf(bob)))
		ok := a.gets("200 INVITE")
		b.answer(in, 200, withSDP(offerOf(bob)))
		b.silent(100 * time.Millisecond)
		a.ack(req, ok, withSDP(offerOf(alice)))
		first := b.gets("ACK")
		b.answer(in, 200, withSDP(offerOf(bob)))
		if again := b.gets("ACK"); string(again.Body()) != string(first.Body()) {
			t.Errorf("another ACK the second time:\n%s", again)
		}
		hangUp(a, b)
	})
}

// Early media, unreliable.
func TestEarlyMedia(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 183, withSDP(offerOf(bob)))
		if m := a.gets("183 INVITE"); !strings.Contains(string(m.Body()), "c=IN IP4 198.51.100.1") {
			t.Errorf("early media from elsewhere:\n%s", m)
		}
		if len(r.relay.all[0].set) != 2 {
			t.Error("the streams are not in force")
		}
		b.answer(in, 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"))
		hangUp(a, b)
		r.settle()
		r.golden("early-media")
	})
}

// The answer is in a reliable 183; each leg has numbers of its own (RFC 3262).
func TestReliable(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(append(rel, withSDP(offerOf(alice)))...)
		in := b.gets("INVITE")
		b.answer(in, 183, reliable("700"), withSDP(offerOf(bob)))
		progress := a.gets("183 INVITE")
		b.answer(in, 183, reliable("700"), withSDP(offerOf(bob)))
		if again := a.gets("183 INVITE"); again.Get("RSeq") != progress.Get("RSeq") {
			t.Errorf("RSeq %s became %s", progress.Get("RSeq"), again.Get("RSeq"))
		}
		a.prack(progress)
		in2 := b.gets("PRACK")
		if got := in2.Get("RAck"); got != "700 1 INVITE" {
			t.Errorf("RAck %q", got)
		}
		b.answer(in2, 200)
		a.gets("200 PRACK")
		a.send(message.Prack, with("RAck", "1 1 INVITE"))
		a.gets("481 PRACK")
		b.answer(in, 180, reliable("701"))
		ringing := a.gets("180 INVITE")
		a.prack(ringing)
		b.answer(b.gets("PRACK"), 200)
		a.gets("200 PRACK")
		b.answer(in, 200)
		b.gets("ACK")
		ok := a.gets("200 INVITE")
		a.ack(req, ok)
		hangUp(a, b)
		r.settle()
		r.golden("reliable")
	})
}

// An INVITE without an offer, whose offer is in a reliable 183 and whose answer is in the
// PRACK (RFC 3262 section 5).
func TestOfferInReliable(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(rel...)
		in := b.gets("INVITE")
		b.answer(in, 183, reliable("9"), withSDP(offerOf(bob)))
		a.prack(a.gets("183 INVITE"), withSDP(offerOf(alice)))
		ack := b.gets("PRACK")
		if !strings.Contains(string(ack.Body()), "c=IN IP4 192.0.2.1") {
			t.Errorf("the answer is not ours:\n%s", ack)
		}
		if len(r.relay.all[0].set) != 2 {
			t.Error("the streams are not in force")
		}
		b.answer(ack, 200)
		a.gets("200 PRACK")
		b.answer(in, 200)
		ok := a.gets("200 INVITE")
		a.ack(req, ok)
		b.gets("ACK")
		hangUp(a, b)
		r.settle()
		r.golden("offer-in-reliable")
	})
}

// UPDATE before the answer, from either side (RFC 3311).
func TestEarlyUpdate(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(append(rel, withSDP(offerOf(alice)))...)
		in := b.gets("INVITE")
		b.answer(in, 183, reliable("1"), withSDP(offerOf(bob)))
		a.prack(a.gets("183 INVITE"))
		b.answer(b.gets("PRACK"), 200)
		a.gets("200 PRACK")
		a.send(message.Update, withSDP(offerOf(alice, "audio 7002 RTP/AVP 8")))
		b.answer(b.gets("UPDATE"), 200, withSDP(offerOf(bob)))
		a.gets("200 UPDATE")
		if got := r.relay.all[0].set[[2]int{0, int(legA)}].RTP.Port(); got != 7002 {
			t.Errorf("alice's media is at port %d", got)
		}
		b.send(message.Update, withSDP(offerOf(bob, "audio 7008 RTP/AVP 8")))
		a.answer(a.gets("UPDATE"), 200, withSDP(offerOf(alice)))
		b.gets("200 UPDATE")
		b.answer(in, 200)
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"))
		hangUp(a, b)
		r.settle()
		r.golden("early-update")
	})
}

func TestHoldAndStreams(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		hold := "audio 7000 RTP/AVP 8\r\na=sendonly"
		req := a.send(message.Invite, withSDP(offerOf(alice, hold)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, "audio 7000 RTP/AVP 8\r\na=recvonly")))
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"))
		c := r.relay.all[0]
		if got := c.set[[2]int{0, int(legB)}]; got.Send || !got.Receive {
			t.Errorf("bob on hold: %+v", got)
		}

		// bob adds video, and takes it away again
		req = b.send(message.Invite, withSDP(offerOf(bob, "audio 7000 RTP/AVP 8", "video 7010 RTP/AVP 97")))
		a.answer(a.gets("INVITE"), 200, withSDP(offerOf(alice, "audio 7000 RTP/AVP 8", "video 7020 RTP/AVP 97")))
		a.gets("ACK")
		b.ack(req, b.gets("200 INVITE"))
		if len(c.set) != 4 {
			t.Errorf("%d ends of streams are in force, want 4", len(c.set))
		}
		req = b.send(message.Invite, withSDP(offerOf(bob, "audio 7000 RTP/AVP 8", "video 0 RTP/AVP 97")))
		a.answer(a.gets("INVITE"), 200, withSDP(offerOf(alice, "audio 7000 RTP/AVP 8", "video 0 RTP/AVP 97")))
		a.gets("ACK")
		b.ack(req, b.gets("200 INVITE"))
		if len(c.set) != 2 {
			t.Errorf("%d ends of streams are in force, want 2", len(c.set))
		}
		hangUp(a, b)
		r.settle()
		r.golden("hold-and-streams")
	})
}

// A refused offer changes nothing (RFC 3261 section 14.1).
func TestReinviteRefused(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		was := len(r.relay.all[0].ports)
		req := a.send(message.Invite, withSDP(offerOf(alice, "audio 7100 RTP/AVP 8", "video 7102 RTP/AVP 97")))
		in := b.gets("INVITE")
		b.answer(in, 488)
		b.gets("ACK")
		a.ack(req, a.gets("488 INVITE"))
		c := r.relay.all[0]
		if got := c.set[[2]int{0, int(legA)}].RTP.Port(); got != 7000 || len(c.ports) != was {
			t.Errorf("alice's media moved to port %d, %d ports are taken", got, len(c.ports))
		}
		hangUp(a, b)
		r.settle()
		r.golden("reinvite-refused")
	})
}

// A re-INVITE without an offer: the answer is in the ACK.
func TestDelayedReinvite(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		req := b.send(message.Invite)
		in := a.gets("INVITE")
		a.answer(in, 200, withSDP(offerOf(alice, "audio 7200 RTP/AVP 8")))
		a.answer(in, 200, withSDP(offerOf(alice, "audio 7200 RTP/AVP 8")))
		ok := b.gets("200 INVITE")
		b.ack(req, ok, withSDP(offerOf(bob, "audio 7300 RTP/AVP 8")))
		first := a.gets("ACK")
		a.answer(in, 200, withSDP(offerOf(alice, "audio 7200 RTP/AVP 8")))
		if second := a.gets("ACK"); string(second.Body()) != string(first.Body()) || len(first.Body()) == 0 {
			t.Errorf("another ACK the second time:\n%s", second)
		}
		c := r.relay.all[0]
		if x, y := c.set[[2]int{0, int(legA)}].RTP.Port(), c.set[[2]int{0, int(legB)}].RTP.Port(); x != 7200 || y != 7300 {
			t.Errorf("media at %d and %d", x, y)
		}
		hangUp(a, b)
		r.settle()
		r.golden("delayed-reinvite")
	})
}

// Both ends change the call at once (RFC 3261 section 14.2).
func TestGlare(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		mine := a.send(message.Invite, withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		theirs := b.send(message.Invite, withSDP(offerOf(bob)))
		b.ack(theirs, b.gets("491 INVITE"))
		b.answer(in, 491)
		b.gets("ACK")
		a.ack(mine, a.gets("491 INVITE"))
		hangUp(a, b)
		r.settle()
		r.golden("glare")
	})
}

// A second INVITE before the first is answered (RFC 3261 section 14.2), and one whose
// CSeq is old (section 12.2.2).
func TestReinviteTooEarly(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		first := a.send(message.Invite, withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		second := a.send(message.Invite, withSDP(offerOf(alice)))
		refused := a.gets("500 INVITE")
		if refused.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		a.ack(second, refused)
		b.answer(in, 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		a.ack(first, a.gets("200 INVITE"))
		a.seq = 1
		a.send(message.Info)
		a.gets("500 INFO")
		a.seq = 9
		hangUp(a, b)
	})
}

// Without ports there is no call.
func TestNoPorts(t *testing.T) {
	inRig(t, func(r *rig) {
		r.relay.full = true
		a := r.phone(alice)
		req := a.invite(withSDP(offerOf(alice)))
		m := a.gets("503 INVITE")
		a.ack(req, m)
		if m.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	})
}

func TestDescriptionInParts(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(func(m *message.Message) {
			m.SetBody(`multipart/mixed; boundary="x"`, []byte("--x\r\nContent-Type: text/plain\r\n\r\nsecret 198.51.100.9\r\n--x\r\nContent-Type: application/sdp\r\n\r\n"+offerOf(alice)+"\r\n--x--\r\n"))
		})
		in := b.gets("INVITE")
		if strings.Contains(in.String(), "secret") || strings.Contains(string(in.Body()), "198.51.100") || in.ContentType() != sdpType {
			t.Errorf("bob sees\n%s", in)
		}
		b.answer(in, 486)
		b.gets("ACK")
		a.ack(req, a.gets("486 INVITE"))
	})
}

var _ = rtp.LegA

// One offer at a time (RFC 3311 section 5.2): who has offered comes again later, who has
// been offered answers first.
func TestOffersOutOfTurn(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 180)
		a.dialog(a.gets("180 INVITE"))
		a.send(message.Update, withSDP(offerOf(alice)))
		a.gets("500 UPDATE")
		b.send(message.Update, withSDP(offerOf(bob)))
		b.gets("491 UPDATE")
		b.answer(in, 200) // without an answer: wrong, and not for us to mend
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"))
		a.send(message.Update, withSDP(offerOf(alice)))
		b.answer(b.gets("UPDATE"), 200, withSDP(offerOf(bob)))
		a.gets("200 UPDATE")
		hangUp(a, b)
	})
}
