package b2bua

import (
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// A re-INVITE adjusts the grant, both ways; one that is refused leaves it as it was.
func TestReinviteAdjustsTheGrant(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1200)
		a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		r.wants("audio", 64, 1)
		req := a.send(message.Invite, withSDP(offerOf(alice, sound64, more)))
		in := b.gets("INVITE")
		r.tells(in, "b=AS:1200 audio b=AS:64 video b=AS:1136")
		r.wants("video is offered", 1200, 2)
		b.answer(in, 488)
		b.gets("ACK")
		a.ack(req, a.gets("488 INVITE"))
		r.wants("video was refused", 64, 1)

		a.send(message.Update, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("UPDATE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.gets("200 UPDATE")
		r.wants("video by UPDATE", 768, 2)

		b.send(message.Invite, withSDP(offerOf(bob, sound64, "video 0 RTP/AVP 97")))
		a.answer(a.gets("INVITE"), 200, withSDP(offerOf(alice, sound64, "video 0 RTP/AVP 97")))
		b.ack(nil, b.gets("200 INVITE"))
		a.gets("ACK")
		r.wants("audio again", 64, 1)
		r.bye(a, b)
	})
}

// A 2xx that says again what was offered and answered before it (RFC 3262 section 5) offers nothing, and leaves nothing behind
// that a later offer which is refused could bring back.
func TestOfferIsSaidAgain(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(2000)
		a, b := r.phone(alice), r.phone(bob)
		a.invite(with("Supported", "100rel"))
		in := b.gets("INVITE")
		b.answer(in, 183, reliable("1"), withSDP(offerOf(bob, sound64)))
		a.prack(a.gets("183 INVITE"), withSDP(offerOf(alice, sound64)))
		b.answer(b.gets("PRACK"), 200)
		a.gets("200 PRACK")
		b.answer(in, 200, withSDP(offerOf(bob, sound64)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("connected", 64, 1)
		req := a.send(message.Invite, withSDP(offerOf(alice, sound64, more)))
		b.answer(b.gets("INVITE"), 488)
		b.gets("ACK")
		a.ack(req, a.gets("488 INVITE"))
		r.wants("video was refused", 64, 1)
		r.bye(a, b)
	})
}

// What a call lost to others it may have again when it asks again.
func TestReinviteAsksAgain(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000)
		other := r.occupy(600)
		a, b := r.talk(offerOf(alice, sound64, pictures), offerOf(bob, sound64, pictures))
		r.wants("downspeeded", 1000, 4)
		other.Release()
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		in := b.gets("INVITE")
		r.tells(in, "audio b=AS:64 video b=AS:704")
		b.answer(in, 200, withSDP(offerOf(bob, sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("all of it", 768, 2)
		r.bye(a, b)
	})
}

// Hold keeps the grant, however it is said: the call shall be there when it is resumed.
func TestHoldKeepsTheGrant(t *testing.T) {
	for name, held := range map[string]string{
		"inactive":         offerOf(alice, sound64+"\r\na=inactive", pictures+"\r\na=inactive"),
		"sendonly":         offerOf(alice, sound64+"\r\na=sendonly", pictures+"\r\na=sendonly"),
		"the old way":      strings.Replace(offerOf(alice, sound64, pictures), "c=IN IP4 "+alice.Addr().String(), "c=IN IP4 0.0.0.0", 1),
		"without pictures": offerOf(alice, sound64+"\r\na=sendonly", "video 0 RTP/AVP 97"),
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.limited(800)
				a, b := r.talk(offerOf(alice, sound64, pictures), offerOf(bob, sound64, pictures))
				for _, offer := range []string{held, offerOf(alice, sound64, pictures)} {
					a.send(message.Invite, withSDP(offer))
					answer := offerOf(bob, sound64, pictures)
					if strings.Contains(offer, "video 0") {
						answer = offerOf(bob, sound64+"\r\na=recvonly", "video 0 RTP/AVP 97")
					}
					b.answer(b.gets("INVITE"), 200, withSDP(answer))
					a.ack(nil, a.gets("200 INVITE"))
					b.gets("ACK")
					r.wants("held or resumed", 768, 2)
				}
				r.bye(a, b)
			})
		})
	}
}

// From audio to video a call takes the other half of the licence; where there is none, the
// stream is refused and the call goes on (facts A3).
func TestVideoWithoutLicence(t *testing.T) {
	inRig(t, func(r *rig) {
		r.keys = licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: 3}}
		r.limited(2000)
		a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		r.wants("audio", 64, 1)
		other := r.occupy(384) // with video: two halves
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		in := b.gets("INVITE")
		r.tells(in, "audio b=AS:64 video:0")
		b.answer(in, 200, withSDP(offerOf(bob, sound64, "video 0 RTP/AVP 97")))
		ok := a.gets("200 INVITE")
		r.tells(ok, "audio b=AS:64 video:0")
		a.ack(nil, ok)
		b.gets("ACK")
		r.wants("audio goes on", 64+384, 3)
		other.Release()
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("video", 768, 2)
		r.bye(a, b)
	})
}

// Without downspeeding a re-INVITE that asks for too much is refused, and nothing changes.
func TestReinviteIsRefused(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000, func(n *config.Node) { n.Bandwidth.DownspeedTotal = false })
		a, b := r.talk(offerOf(alice, sound64, pictures), offerOf(bob, sound64, pictures))
		req := a.send(message.Invite, withSDP(offerOf(alice, sound64, more)))
		m := a.gets("488 INVITE")
		a.ack(req, m)
		if !strings.HasPrefix(m.Get("Warning"), "370 ") {
			t.Errorf("refused with\n%s", m)
		}
		b.silent(time.Second)
		r.wants("as before", 768, 2)
		r.bye(a, b)
	})
}

// The pipe becomes smaller while calls run: they keep what they have (CA-04).
func TestNarrowerPipeKeepsCalls(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000)
		a, b := r.talk(offerOf(alice, sound64, pictures), offerOf(bob, sound64, pictures))
		r.limited(100)
		r.wants("more than there is", 768, 2)
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("the same again", 768, 2)
		r.bye(a, b)
		r.wants("ended", 0, 0)
	})
}

// An offer that asked for more and is answered by hold and without the new stream gives it
// back.
func TestStreamRefusedWhileHeld(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(2000)
		a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64+"\r\na=recvonly", "video 0 RTP/AVP 97")))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("video refused, held", 64, 1)
		r.bye(a, b)
	})
}
