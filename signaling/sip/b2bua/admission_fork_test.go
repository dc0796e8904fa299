package b2bua

import (
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// Of several forks only one will be answered: the call is charged for one (BW-03).
func TestForksShareTheGrant(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(800)
		r.callees(bob, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		a.invite(withSDP(offerOf(alice, sound64, pictures)))
		in, other := b.gets("INVITE"), c.gets("INVITE")
		r.wants("two ring", 768, 2)
		b.answer(in, 486)
		b.gets("ACK")
		r.wants("one rings", 768, 2)
		c.answer(other, 200, withSDP(offerOf(carol)))
		a.ack(nil, a.gets("200 INVITE"))
		c.gets("ACK")
		r.wants("connected", 64, 1) // carol says nothing of how much: as much as alice
		r.bye(a, c)
	})
}

// A fork for which there is nothing fails; the others ring. What callees said counts.
func TestOneForkIsRefused(t *testing.T) {
	for name, there := range map[string]bool{"another rings": true, "nobody else": false} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.callees(carol, bob)
				z := *r.targets[0].Zone
				z.Name = "nowhere"
				r.targets[0].Zone = &z
				if !there {
					r.targets = r.targets[:1]
				}
				a, b := r.phone(alice), r.phone(bob)
				req := a.invite(withSDP(offerOf(alice)))
				if !there {
					a.ack(req, a.gets("480 INVITE"))
					return
				}
				b.answer(b.gets("INVITE"), 486)
				b.gets("ACK")
				a.ack(req, a.gets("486 INVITE"))
			})
		})
	}
}

// The next group is rung when the first has nobody; the grant goes with it.
func TestGrantMovesToTheNextGroup(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(800)
		r.targets = nil
		r.target(0, bob)
		r.target(1, carol)
		a, b, c := r.phone(alice), r.phone(bob), r.phone(carol)
		req := a.invite(withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 486)
		b.gets("ACK")
		in := c.gets("INVITE")
		r.tells(in, "audio b=AS:64 video b=AS:704")
		c.answer(in, 180)
		a.gets("180 INVITE")
		r.wants("the second rings", 768, 2)
		a.cancel(req)
		a.gets("200 CANCEL")
		r.wants("cancelled", 0, 0)
		c.answer(c.gets("CANCEL"), 200)
		c.answer(in, 487)
		a.ack(req, a.gets("487 INVITE"))
		c.gets("ACK")
	})
}

// A 2xx that crosses the CANCEL takes nothing.
func TestGrantAndCancelCross(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 180)
		a.gets("180 INVITE")
		a.cancel(req)
		b.answer(in, 200, withSDP(offerOf(bob)))
		r.wants("crossed", 0, 0)
	})
}

// A delayed offer: the default until the callee has said, then what it offers, then what is
// answered.
func TestDelayedOfferIsGranted(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000)
		a, b := r.phone(alice), r.phone(bob)
		a.invite()
		in := b.gets("INVITE")
		r.wants("unknown", 384, 2)
		b.answer(in, 200, withSDP(offerOf(bob, sound64, more)))
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:1000 audio b=AS:64 video b=AS:936")
		r.wants("offered", 1000, 2)
		a.ack(nil, ok, withSDP(offerOf(alice, sound64, "video 0 RTP/AVP 97")))
		b.gets("ACK")
		r.wants("answered", 64, 1)
		r.bye(a, b)
	})
}

// Without downspeeding, what a 2xx offers is cut to what the call has: it cannot be refused.
func TestDelayedOfferIsCut(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000, func(n *config.Node) { n.Bandwidth.DownspeedTotal = false })
		a, b := r.phone(alice), r.phone(bob)
		a.invite()
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, more)))
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:384 audio b=AS:64 video b=AS:320")
		a.ack(nil, ok, withSDP(offerOf(alice, sound64, more)))
		r.tells(b.gets("ACK"), "b=AS:384 audio b=AS:64 video b=AS:320")
		r.wants("answered", 384, 2)
		r.bye(a, b)
	})
}

// Early media: what a reliable provisional response answers is in force with the 2xx, which
// has no description any more (RFC 3262 section 5).
func TestEarlyAnswerCounts(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice, sound64, pictures)), with("Supported", "100rel"))
		in := b.gets("INVITE")
		b.answer(in, 183, reliable("1"), withSDP(offerOf(bob, sound64, "video 0 RTP/AVP 97")))
		a.prack(a.gets("183 INVITE"))
		b.answer(b.gets("PRACK"), 200)
		a.gets("200 PRACK")
		r.wants("early", 768, 2)
		b.answer(in, 200)
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("connected", 64, 1)
		r.bye(a, b)
	})
}
