package b2bua

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Two are rung; the first to answer wins, the other is cancelled.
func TestFork(t *testing.T) {
	inRig(t, func(r *rig) {
		r.callees(bob, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		req := a.invite(withSDP(offerOf(alice)))
		b1, c1 := b.gets("INVITE"), c.gets("INVITE")
		b.answer(b1, 183, withSDP(offerOf(bob)))
		one := a.gets("183 INVITE")
		c.answer(c1, 180)
		two := a.gets("180 INVITE")
		if one.To().Tag() == two.To().Tag() {
			t.Error("two dialogs with one tag")
		}
		c.answer(c1, 200, withSDP(offerOf(carol)))
		c.gets("ACK")
		cancel := b.gets("CANCEL")
		b.answer(cancel, 200)
		b.answer(b1, 487)
		b.gets("ACK")
		ok := a.gets("200 INVITE")
		if ok.To().Tag() != two.To().Tag() {
			t.Error("the 200 is in another dialog than the 180")
		}
		a.ack(req, ok)
		if !r.relay.all[0].released || r.relay.all[1].released {
			t.Error("the media of the wrong one was released")
		}
		a.send(message.Bye)
		a.gets("200 BYE")
		c.answer(c.gets("BYE"), 200)
		r.settle()
		r.golden("fork")
	})
}

// Both answer at once: the second is acknowledged and hung up (RFC 3261 section 13.2.2.4).
func TestForkBothAnswer(t *testing.T) {
	inRig(t, func(r *rig) {
		r.callees(bob, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		req := a.invite(withSDP(offerOf(alice)))
		b1, c1 := b.gets("INVITE"), c.gets("INVITE")
		b.answer(b1, 180)
		a.gets("180 INVITE")
		c.answer(c1, 200, withSDP(offerOf(carol)))
		b.answer(b1, 200, withSDP(offerOf(bob)))
		c.gets("ACK")
		b.gets("CANCEL")
		b.gets("ACK")
		bye := b.gets("BYE")
		b.answer(b1, 200, withSDP(offerOf(bob))) // the ACK was lost
		b.gets("ACK")
		b.answer(bye, 200)
		a.ack(req, a.gets("200 INVITE"))
		a.send(message.Bye)
		a.gets("200 BYE")
		c.answer(c.gets("BYE"), 200)
		r.settle()
		r.golden("fork-both-answer")
	})
}

// A proxy behind a callee forks: two dialogs with one INVITE, two 2xx.
func TestForkBehindCallee(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 183, withSDP(offerOf(bob)))
		a.gets("183 INVITE")
		b.tag = "tag-other"
		b.answer(in, 180)
		other := a.gets("180 INVITE")
		b.answer(in, 200, withSDP(offerOf(bob)))
		b.to.Params = nil
		b.gets("ACK")
		ok := a.gets("200 INVITE")
		if ok.To().Tag() != other.To().Tag() {
			t.Error("the 200 is in the wrong dialog")
		}
		a.ack(req, ok)
		b.tag = "tag-bob"
		b.answer(in, 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		b.answer(b.gets("BYE"), 200)
		a.send(message.Bye)
		a.gets("200 BYE")
		b.answer(b.gets("BYE"), 200)
	})
}

func TestGroupsInTurn(t *testing.T) {
	inRig(t, func(r *rig) {
		r.targets = nil
		r.target(0, bob)
		r.target(1, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		c.silent(time.Second)
		b.answer(in, 486)
		b.gets("ACK")
		in = c.gets("INVITE")
		c.answer(in, 404)
		c.gets("ACK")
		a.ack(req, a.gets("404 INVITE"))
		r.settle()
		r.golden("groups")
	})
}

// 6xx: nobody else is asked (RFC 3261 section 16.7 step 5).
func TestDecline(t *testing.T) {
	inRig(t, func(r *rig) {
		r.callees(bob, carol)
		r.target(1, dave)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		req := a.invite(withSDP(offerOf(alice)))
		b1, c1 := b.gets("INVITE"), c.gets("INVITE")
		c.answer(c1, 180)
		a.gets("180 INVITE")
		b.answer(b1, 603)
		b.gets("ACK")
		c.answer(c.gets("CANCEL"), 200)
		c.answer(c1, 487)
		c.gets("ACK")
		a.ack(req, a.gets("603 INVITE"))
		if got := r.ended().Cause; got.Kind != calls.Refused || got.By != calls.ByCallee || got.Status != 603 {
			t.Errorf("recorded as %+v", got)
		}
	})
}

// The next place of a target after 503 or silence, not after it rang (RFC 3263 section
// 4.3).
func TestPlacesInTurn(t *testing.T) {
	inRig(t, func(r *rig) {
		r.targets = nil
		r.target(0, bob, carol, dave)
		a, b, c, d := r.phone(alice), r.phone(bob), r.phone(carol), r.phone(dave)
		req := a.invite(withSDP(offerOf(alice)))
		b.answer(b.gets("INVITE"), 503)
		b.gets("ACK")
		c.gets("INVITE")
		in := d.gets("INVITE")
		d.answer(in, 180)
		d.answer(in, 503)
		d.gets("ACK")
		a.gets("180 INVITE")
		a.ack(req, a.gets("500 INVITE"))
	})
}

func TestNobodyAnswers(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		b.gets("INVITE")
		a.ack(req, a.gets("408 INVITE"))
	})
}

// It rings for ever: timer C (RFC 3261 section 16.8).
func TestRingsForTooLong(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 180)
		a.gets("180 INVITE")
		time.Sleep(3 * time.Minute)
		b.answer(b.gets("CANCEL"), 200)
		b.answer(in, 487)
		b.gets("ACK")
		a.ack(req, a.gets("408 INVITE"))
	})
}

func TestCancel(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(r *rig, a, b *phone, req, in *message.Message)
	}{
		{"before anything", func(_ *rig, a, b *phone, req, in *message.Message) {
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			b.silent(300 * time.Millisecond) // section 9.1: not before it says anything
			b.answer(in, 180)
			b.answer(b.gets("CANCEL"), 200)
			b.answer(in, 487)
			b.gets("ACK")
		}},
		{"ringing", func(_ *rig, a, b *phone, req, in *message.Message) {
			b.answer(in, 180)
			a.gets("180 INVITE")
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			b.answer(b.gets("CANCEL"), 200)
			b.answer(in, 487)
			b.gets("ACK")
		}},
		{"crossing the 200", func(_ *rig, a, b *phone, req, in *message.Message) {
			b.answer(in, 180)
			a.gets("180 INVITE")
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			cancel := b.gets("CANCEL")
			b.answer(in, 200, withSDP(offerOf(bob)))
			b.answer(cancel, 200)
			b.gets("ACK")
			b.answer(b.gets("BYE"), 200)
		}},
		{"after the 200", func(_ *rig, a, b *phone, req, in *message.Message) {
			b.answer(in, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			a.cancel(req)
			ok := a.gets("200 INVITE")
			a.gets("200 CANCEL")
			a.ack(req, ok)
			hangUp(a, b)
		}},
		{"nobody answers the CANCEL", func(_ *rig, a, b *phone, req, in *message.Message) {
			b.answer(in, 180)
			a.gets("180 INVITE")
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
		}},
		{"a silent callee", func(_ *rig, a, _ *phone, req, _ *message.Message) {
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
		}},
		{"a re-INVITE", func(_ *rig, a, b *phone, req, in *message.Message) {
			b.answer(in, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			a.ack(req, a.gets("200 INVITE"))
			req = a.send(message.Invite, withSDP(offerOf(alice)))
			in = b.gets("INVITE")
			b.answer(in, 180)
			a.gets("180 INVITE")
			a.cancel(req)
			a.gets("200 CANCEL")
			b.answer(b.gets("CANCEL"), 200)
			b.answer(in, 487)
			b.gets("ACK")
			a.ack(req, a.gets("487 INVITE"))
			hangUp(a, b)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				a, b := r.phone(alice), r.phone(bob)
				req := a.invite(withSDP(offerOf(alice)))
				tc.play(r, a, b, req, b.gets("INVITE"))
			})
		})
	}
}
