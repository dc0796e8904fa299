package b2bua

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// line is what the ledger calls the pipe.
const line = "pipe line"

// shares has the cluster share out the pipe, of which so much is here.
func (r *rig) shares(kbps uint32) {
	r.limited(2000)
	r.lends(1000)
	r.has.Lower(line, kbps)
}

// comes is what another peer had idle, and denied that no peer has any more.
func (r *rig) comes(kbps uint32) {
	r.has.Raise(line, kbps)
	r.has.Wake()
}

func (r *rig) denied() {
	r.has.Denied(line, time.Now())
	r.has.Wake()
}

// BW-05: a call has less than it asks for only when the cluster has said that there is no more.
func TestCallAwaitsBandwidth(t *testing.T) {
	for name, tc := range map[string]struct {
		then              func(r *rig)
		told              string
		kbps              uint64
		given, less, none uint64
	}{
		"it comes":           {func(r *rig) { r.comes(768) }, "audio b=AS:64 video b=AS:704", 768, 1, 0, 0},
		"a part of it comes": {func(r *rig) { r.comes(400); r.denied() }, "b=AS:400 audio b=AS:64 video b=AS:336", 400, 0, 1, 0},
		"there is no more":   {(*rig).denied, "b=AS:300 audio b=AS:64 video b=AS:236", 300, 0, 1, 0},
		"nobody says so":     {func(*rig) { time.Sleep(1200 * time.Millisecond) }, "b=AS:300 audio b=AS:64 video b=AS:236", 300, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.shares(300)
				a, b := r.phone(alice), r.phone(bob)
				a.invite(withSDP(offerOf(alice, sound64, pictures)))
				b.silent(300 * time.Millisecond)
				r.wants("waiting", 0, 0)
				tc.then(r)
				in := b.gets("INVITE")
				r.tells(in, tc.told)
				b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures)))
				a.ack(nil, a.gets("200 INVITE"))
				b.gets("ACK")
				r.wants("connected", tc.kbps, 2)
				r.bye(a, b)
				r.waited(tc.given, tc.less, tc.none, 0)
			})
		})
	}
	inRig(t, func(r *rig) { // nothing is here, and there is no more
		r.shares(0)
		a := r.phone(alice)
		req := a.invite(withSDP(offerOf(alice, sound64)))
		time.Sleep(200 * time.Millisecond)
		r.denied()
		m := a.gets("480 INVITE")
		a.ack(req, m)
		if m.Get("Retry-After") == "" || m.Get("Warning") == "" {
			t.Errorf("refused with\n%s", m)
		}
		r.waited(0, 0, 1, 0)
	})
}

// offering has bob offer video in his 200 where 400 kbit/s are here: it waits.
func offering(t *testing.T, f func(r *rig, a, b *phone, req, in *message.Message)) {
	t.Helper()
	inRig(t, func(r *rig) {
		r.shares(400)
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite()
		in := b.gets("INVITE")
		b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures)))
		a.silent(300 * time.Millisecond)
		b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures))) // again
		b.silent(100 * time.Millisecond)
		r.wants("waiting", 384, 2)
		f(r, a, b, req, in)
	})
}

// BW-05: an offer that comes with the answer (RFC 3261 section 13.2.1) waits, too, and so does everything that hangs on it.
func TestDelayedOfferAwaitsBandwidth(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(r *rig)
		told string
		kbps uint64
	}{
		"it comes":         {func(r *rig) { r.comes(800) }, "audio b=AS:64 video b=AS:704", 768},
		"there is no more": {(*rig).denied, "b=AS:400 audio b=AS:64 video b=AS:336", 400},
	} {
		t.Run(name, func(t *testing.T) {
			offering(t, func(r *rig, a, b *phone, _, _ *message.Message) {
				tc.then(r)
				ok := a.gets("200 INVITE")
				r.tells(ok, tc.told)
				a.ack(nil, ok, withSDP(offerOf(alice, sound64, pictures)))
				b.gets("ACK")
				r.wants("connected", tc.kbps, 2)
				r.bye(a, b)
			})
		})
	}
	t.Run("the caller gives up", func(t *testing.T) {
		offering(t, func(r *rig, a, b *phone, req, in *message.Message) {
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			r.nobodyWaits()
			b.gets("ACK")
			b.answer(b.gets("BYE"), 200)
			b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures))) // again: the ACK was lost
			b.gets("ACK")
			r.comes(800)
			r.wants("given up", 0, 0)
			r.waited(0, 0, 0, 1)
		})
	})
	t.Run("the callee hangs up", func(t *testing.T) {
		offering(t, func(r *rig, a, b *phone, req, _ *message.Message) {
			b.send(message.Bye)
			b.gets("200 BYE")
			r.nobodyWaits()
			b.gets("ACK")
			a.ack(req, a.gets("480 INVITE"))
			r.comes(800)
			r.wants("hung up", 0, 0)
		})
	})
	t.Run("another one answers", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.shares(400)
			r.callees(bob, carol)
			a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
			a.invite()
			first, second := b.gets("INVITE"), c.gets("INVITE")
			b.answer(first, 200, withSDP(offerOf(bob, sound64, pictures)))
			c.answer(second, 200, withSDP(offerOf(carol, sound64)))
			c.gets("ACK")
			c.answer(c.gets("BYE"), 200)
			r.comes(800)
			ok := a.gets("200 INVITE")
			a.ack(nil, ok, withSDP(offerOf(alice, sound64, pictures)))
			b.gets("ACK")
			r.bye(a, b)
		})
	})
}

// RFC 3261 section 16.7 step 5: a 2xx that waits came first; a 6xx decides only when that comes to nothing.
func TestDeclineWhileAnAnswerWaits(t *testing.T) {
	for name, then := range map[string]func(r *rig, a, b *phone, req *message.Message){
		"it is passed on": func(r *rig, a, b *phone, _ *message.Message) {
			r.comes(800)
			a.ack(nil, a.gets("200 INVITE"), withSDP(offerOf(alice, sound64, pictures)))
			b.gets("ACK")
			r.wants("connected", 768, 2)
			r.bye(a, b)
		},
		"who answered hangs up": func(r *rig, a, b *phone, req *message.Message) {
			b.send(message.Bye)
			b.gets("200 BYE")
			r.nobodyWaits()
			b.gets("ACK")
			a.ack(req, a.gets("603 INVITE"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.shares(400)
				r.callees(bob, carol)
				r.target(1, dave)
				a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
				req := a.invite()
				first, second := b.gets("INVITE"), c.gets("INVITE")
				b.answer(first, 200, withSDP(offerOf(bob, sound64, pictures)))
				c.answer(second, 603)
				c.gets("ACK")
				a.silent(100 * time.Millisecond)
				b.silent(100 * time.Millisecond)
				then(r, a, b, req)
				r.phone(dave).silent(time.Second)
			})
		})
	}
}

// BW-05: an answer may ask for more where the offer said nothing: with early media, in the 200, within the call, by
// UPDATE.
func TestAnswerAwaitsBandwidth(t *testing.T) {
	const wide = sound + "\r\nb=AS:700"
	inRig(t, func(r *rig) {
		r.shares(400)
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice, sound)))
		in := b.gets("INVITE")
		b.answer(in, 183, withSDP(offerOf(bob, wide)))
		b.answer(in, 183, withSDP(offerOf(bob, wide)))
		b.answer(in, 180)
		a.gets("180 INVITE")
		a.silent(300 * time.Millisecond)
		r.comes(700)
		a.gets("183 INVITE")
		r.wants("early", 700, 2)
		b.answer(in, 200, withSDP(offerOf(bob, wide)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("connected", 700, 1)
		r.bye(a, b)
		r.waited(1, 0, 0, 0)
	})
	inRig(t, func(r *rig) { // the 200 is quicker than what the 183 waits for
		r.shares(400)
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice, sound)))
		in := b.gets("INVITE")
		b.answer(in, 183, withSDP(offerOf(bob, wide)))
		b.answer(in, 200, withSDP(offerOf(bob, wide)))
		a.silent(300 * time.Millisecond)
		r.denied()
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:400 audio b=AS:400")
		a.ack(nil, ok)
		b.gets("ACK")
		r.wants("connected", 400, 1)
		r.bye(a, b)
		r.waited(0, 1, 0, 1)
	})
	for _, method := range []message.Method{message.Invite, message.Update} {
		inRig(t, func(r *rig) {
			r.shares(400)
			a, b := r.talk(offerOf(alice, sound), offerOf(bob, sound))
			r.wants("audio", 384, 1)
			a.send(method, withSDP(offerOf(alice, sound)))
			in := b.gets(string(method))
			b.answer(in, 200, withSDP(offerOf(bob, wide)))
			if method == message.Invite {
				b.answer(in, 200, withSDP(offerOf(bob, wide)))
			}
			a.silent(300 * time.Millisecond)
			r.comes(800)
			ok := a.gets("200 " + string(method))
			if method == message.Invite {
				b.gets("ACK")
				a.ack(nil, ok)
			}
			r.wants("more", 700, 1)
			r.bye(a, b)
		})
	}
	inRig(t, func(r *rig) { // the caller hangs up meanwhile
		r.shares(400)
		a, b := r.talk(offerOf(alice, sound), offerOf(bob, sound))
		req := a.send(message.Invite)
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.silent(300 * time.Millisecond)
		a.send(message.Bye)
		a.gets("200 BYE")
		a.ack(req, a.gets("487 INVITE"))
		b.gets("ACK")
		b.answer(b.gets("BYE"), 200)
		r.comes(800)
		r.wants("ended", 0, 0)
	})
}

// RFC 3311 section 5.2: an offer in a response that waits is an offer that has no answer: one that a request brings
// meanwhile is refused, and the one that waits is passed on as it was.
func TestOffersWhileOneWaitsInAResponse(t *testing.T) {
	both := func(a, b *phone) {
		a.send(message.Update, withSDP(offerOf(alice, sound64)))
		a.gets("491 UPDATE")
		b.send(message.Update, withSDP(offerOf(bob, sound64)))
		b.gets("500 UPDATE")
		a.silent(100 * time.Millisecond)
	}
	passed := func(r *rig, a, b *phone) {
		ok := a.gets("200 INVITE")
		r.tells(ok, "audio b=AS:64 video b=AS:704")
		a.ack(nil, ok, withSDP(offerOf(alice, sound64, pictures)))
		b.gets("ACK")
		r.wants("answered", 768, 2)
		r.bye(a, b)
	}
	t.Run("while the call is set up", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.shares(400)
			a, b := r.phone(alice), r.phone(bob)
			a.invite()
			in := b.gets("INVITE")
			b.answer(in, 180)
			a.dialog(a.gets("180 INVITE"))
			b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures)))
			both(a, b)
			r.comes(800)
			passed(r, a, b)
		})
	})
	within := func(r *rig) (a, b *phone) {
		r.shares(400)
		a, b = r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		a.send(message.Invite)
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		both(a, b)
		return a, b
	}
	t.Run("within the call", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := within(r)
			r.comes(800)
			passed(r, a, b)
		})
	})
	t.Run("there is no more", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := within(r)
			r.denied()
			ok := a.gets("200 INVITE")
			r.tells(ok, "b=AS:400 audio b=AS:64 video b=AS:336")
			a.ack(nil, ok, withSDP(offerOf(alice, sound64, "video 0 RTP/AVP 97")))
			b.gets("ACK")
			a.send(message.Update, withSDP(offerOf(alice, sound64)))
			b.answer(b.gets("UPDATE"), 200, withSDP(offerOf(bob, sound64)))
			a.gets("200 UPDATE")
			r.bye(a, b)
		})
	})
}

// RFC 3311 section 5.2: an offer that waits in a request is refused when a response brings another one meanwhile, and
// leaves nothing: the call has what the other one asks for, also when a later offer is refused.
func TestResponseOffersWhileARequestWaits(t *testing.T) {
	refused := func(r *rig, a *phone) {
		r.comes(1700)
		a.gets("491 UPDATE")
	}
	for name, tc := range map[string]struct {
		video         string
		before, after func(r *rig, a *phone) // the response is passed on
		kbps          uint64
	}{
		"there is enough for it": {"video 7002 RTP/AVP 97\r\nb=AS:300", func(*rig, *phone) {}, refused, 364},
		"it waits, too":          {pictures, refused, func(*rig, *phone) {}, 768},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.shares(400)
				a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
				a.send(message.Invite)
				in := b.gets("INVITE")
				a.send(message.Update, withSDP(offerOf(alice, sound64, more)))
				b.silent(100 * time.Millisecond)
				b.answer(in, 200, withSDP(offerOf(bob, sound64, tc.video)))
				tc.before(r, a)
				ok := a.gets("200 INVITE")
				tc.after(r, a)
				r.wants("offered", tc.kbps, 2)
				a.ack(nil, ok, withSDP(offerOf(alice, sound64, pictures)))
				b.gets("ACK")
				r.wants("answered", tc.kbps, 2)
				req := a.send(message.Invite, withSDP(offerOf(alice, sound64, more)))
				b.answer(b.gets("INVITE"), 488)
				b.gets("ACK")
				a.ack(req, a.gets("488 INVITE"))
				r.wants("refused", tc.kbps, 2)
				r.bye(a, b)
			})
		})
	}
}
