package b2bua

import (
	"maps"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// lends puts what is shared into the cluster's hands: so many halves are here, and all of the rest.
func (r *rig) lends(halves uint32) {
	lease := admission.NewLease(func() time.Duration { return 0 })
	lease.Extend(time.Second)
	r.has.Lend(lease)
	r.has.Begin()
	for _, p := range r.has.Parts() {
		r.has.Raise(p.Name, p.Total)
	}
	r.has.Lower(resources.LevelRMS, halves)
}

// gets more halves from another peer.
func (r *rig) lent(halves uint32) {
	r.has.Raise(resources.LevelRMS, halves)
	r.has.Wake()
}

// waited fails where other requests have waited than so.
func (r *rig) waited(given, less, refused, givenUp uint64) {
	r.t.Helper()
	got := r.node.Waited()
	want := map[string]uint64{"given": given, "less": less, "refused": refused, "given_up": givenUp}
	if !maps.Equal(got.Ended, want) || got.Time.Count != given+less+refused+givenUp {
		r.t.Errorf("waited: %+v, want %v", got, want)
	}
}

// nobodyWaits fails where somebody counts as one that waits for something.
func (r *rig) nobodyWaits() {
	r.t.Helper()
	for _, p := range r.has.Parts() {
		if p.Waits != 0 {
			r.t.Errorf("%d wait for %s", p.Waits, p.Name)
		}
	}
}

// LI-06: a call for which this node has no licences left waits for those that other peers have idle; when there are
// none it is refused, and one that was given up meanwhile takes nothing.
func TestCallAwaitsLicences(t *testing.T) {
	t.Run("they come", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.lends(0)
			a, b := r.phone(alice), r.phone(bob)
			req := a.invite(withSDP(offerOf(alice)))
			time.Sleep(240 * time.Millisecond)
			r.has.Wake() // of something else
			r.wants("waiting", 0, 0)
			a.r.arrive(a.at, req) // again
			time.Sleep(240 * time.Millisecond)
			r.lent(4)
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
			a.ack(nil, a.gets("200 INVITE"))
			b.gets("ACK")
			r.wants("connected", 384, 1)
			r.bye(a, b)
			r.waited(1, 0, 0, 0)
			if s := r.node.Waited().Time; s.Buckets[0.25] != 0 || s.Buckets[0.5] != 1 {
				t.Errorf("it waited %+v", s)
			}
		})
	})
	t.Run("there are none", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.lends(0)
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice)))
			time.Sleep(1500 * time.Millisecond)
			m := a.gets("503 INVITE")
			a.ack(req, m)
			if m.Get("Retry-After") == "" || m.Get("Warning") == "" {
				t.Errorf("refused with\n%s", m)
			}
			r.wants("refused", 0, 0)
			r.waited(0, 0, 1, 0)
		})
	})
	t.Run("given up", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.lends(0)
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice)))
			a.cancel(req)
			a.gets("200 CANCEL")
			a.ack(req, a.gets("487 INVITE"))
			r.nobodyWaits()
			r.lent(4)
			time.Sleep(1500 * time.Millisecond)
			r.wants("given up", 0, 0)
			r.waited(0, 0, 0, 1)
		})
	})
	t.Run("the shard is too busy to be called", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.lends(0)
			r.deaf = true
			a := r.phone(alice)
			req := a.invite(withSDP(offerOf(alice)))
			a.ack(req, a.gets("503 INVITE"))
		})
	})
}

// LI-06: every fork waits, and each goes on by itself: at its next place, too.
func TestForksAwaitLicences(t *testing.T) {
	inRig(t, func(r *rig) {
		r.lends(0)
		r.callees(bob, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		a.invite(withSDP(offerOf(alice)))
		time.Sleep(200 * time.Millisecond)
		r.lent(2)
		in := b.gets("INVITE")
		b.answer(c.gets("INVITE"), 486)
		b.answer(in, 180)
		a.gets("180 INVITE")
		r.wants("ringing", 384, 2)
		b.answer(in, 200, withSDP(offerOf(bob)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.bye(a, b)
		r.waited(2, 0, 0, 0)
	})
}

// adding has a call with audio ask for video, for which no licence is here.
func adding(t *testing.T, method message.Method, f func(r *rig, a, b *phone, req *message.Message)) {
	t.Helper()
	inRig(t, func(r *rig) {
		r.lends(2)
		a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		r.has.Lower(resources.LevelRMS, 1)
		req := a.send(method, withSDP(offerOf(alice, sound64, pictures)))
		b.silent(300 * time.Millisecond)
		r.wants("waiting", 64, 1)
		f(r, a, b, req)
	})
}

// LI-06: video that is added to a call waits for its half of a licence as a new call does.
func TestVideoAwaitsLicence(t *testing.T) {
	for _, method := range []message.Method{message.Invite, message.Update} {
		accept := func(r *rig, a, b *phone, offer, answer string) {
			in := b.gets(string(method))
			r.tells(in, offer)
			b.answer(in, 200, withSDP(answer))
			ok := a.gets("200 " + string(method))
			if method == message.Invite {
				a.ack(nil, ok)
				b.gets("ACK")
			}
		}
		t.Run("it comes/"+string(method), func(t *testing.T) {
			adding(t, method, func(r *rig, a, b *phone, req *message.Message) {
				r.arrive(a.at, req) // again
				r.lent(2)
				accept(r, a, b, "audio b=AS:64 video b=AS:704", offerOf(bob, sound64, pictures))
				r.wants("video", 768, 2)
				r.bye(a, b)
				r.waited(1, 0, 0, 0)
			})
		})
		t.Run("there is none/"+string(method), func(t *testing.T) {
			adding(t, method, func(r *rig, a, b *phone, _ *message.Message) {
				accept(r, a, b, "audio b=AS:64 video:0", offerOf(bob, sound64, "video 0 RTP/AVP 97"))
				r.wants("audio goes on", 64, 1)
				r.bye(a, b)
				r.waited(0, 1, 0, 0)
			})
		})
		t.Run("the caller hangs up/"+string(method), func(t *testing.T) {
			adding(t, method, func(r *rig, a, b *phone, req *message.Message) {
				a.send(message.Bye)
				a.gets("200 BYE")
				m := a.gets("487 " + string(method))
				if method == message.Invite {
					a.ack(req, m)
				}
				b.answer(b.gets("BYE"), 200)
				r.lent(2)
				r.waited(0, 0, 0, 1)
			})
		})
		t.Run("the callee hangs up/"+string(method), func(t *testing.T) {
			adding(t, method, func(r *rig, a, b *phone, req *message.Message) {
				b.send(message.Bye)
				b.gets("200 BYE")
				m := a.gets("487 " + string(method))
				if method == message.Invite {
					a.ack(req, m)
				}
				a.answer(a.gets("BYE"), 200)
				r.lent(2)
			})
		})
	}
}

// LI-06: what comes while an offer waits is answered as if the offer was on its way (RFC 3261 section 14.2, RFC 3311 section
// 5.2); what has nothing to do with it passes.
func TestOffersWhileOneWaits(t *testing.T) {
	adding(t, message.Invite, func(r *rig, a, b *phone, req *message.Message) {
		again := a.send(message.Invite, withSDP(offerOf(alice, sound64)))
		a.ack(again, a.gets("500 INVITE"))
		a.send(message.Update, withSDP(offerOf(alice, sound64)))
		a.gets("500 UPDATE")
		theirs := b.send(message.Invite, withSDP(offerOf(bob, sound64)))
		b.ack(theirs, b.gets("491 INVITE"))
		b.send(message.Update, withSDP(offerOf(bob, sound64)))
		b.gets("491 UPDATE")
		a.send(message.Info)
		b.answer(b.gets("INFO"), 200)
		a.gets("200 INFO")
		b.send(message.Update) // a refresh
		a.answer(a.gets("UPDATE"), 200)
		b.gets("200 UPDATE")

		a.cancel(req)
		a.gets("200 CANCEL")
		a.ack(req, a.gets("487 INVITE"))
		r.nobodyWaits()
		r.lent(2)
		b.silent(time.Second)
		r.wants("given up", 64, 1)
		b.send(message.Invite, withSDP(offerOf(bob, sound64, pictures)))
		a.answer(a.gets("INVITE"), 200, withSDP(offerOf(alice, sound64, pictures)))
		b.ack(nil, b.gets("200 INVITE"))
		a.gets("ACK")
		r.wants("video", 768, 2)
		r.bye(a, b)
		r.waited(0, 0, 0, 1)
	})
}
