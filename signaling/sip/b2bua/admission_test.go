package b2bua

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// Streams with and without a figure.
const (
	sound    = "audio 7000 RTP/AVP 8"
	sound64  = sound + "\r\nb=AS:64"
	pictures = "video 7002 RTP/AVP 97\r\nb=AS:704"
	more     = "video 7002 RTP/AVP 97\r\nb=AS:1472"
)

// limited gives the pipe so many kbps in all.
func (r *rig) limited(kbps int, change ...func(*config.Node)) {
	r.t.Helper()
	r.configure(func(n *config.Node) {
		n.Bandwidth.DownspeedPerCall, n.Bandwidth.DownspeedTotal = true, true
		n.Pipes[0].Total = config.Limit{Mode: config.Limited, Kbps: kbps}
		for _, f := range change {
			f(n)
		}
	})
}

// figures are the b= lines and ports of a description.
func figures(m *message.Message) string {
	var out []string
	for l := range strings.Lines(string(m.Body())) {
		l = strings.TrimSpace(l)
		if f := strings.Fields(l); strings.HasPrefix(l, "m=") {
			l = strings.TrimPrefix(f[0], "m=")
			if f[1] == "0" {
				l += ":0"
			}
			out = append(out, l)
		} else if strings.HasPrefix(l, "b=") {
			out = append(out, l)
		}
	}
	return strings.Join(out, " ")
}

// wants fails where the call does not have so much of the pipe and so many halves of licences.
func (r *rig) wants(when string, kbps uint64, halves uint32) {
	r.t.Helper()
	if got := r.on("line"); got != kbps {
		r.t.Errorf("%s: %d kbps are taken of the pipe, want %d", when, got, kbps)
	}
	if got := r.used(resources.LevelRMS); got != halves {
		r.t.Errorf("%s: %d halves of licences are taken, want %d", when, got, halves)
	}
}

// tells fails where a description has other lines.
func (r *rig) tells(m *message.Message, want string) {
	r.t.Helper()
	if got := figures(m); got != want {
		r.t.Errorf("%s is told %q, want %q", m.To().URI.User, got, want)
	}
}

// talk sets a call up, and returns its ends.
func (r *rig) talk(offer, answer string) (a, b *phone) {
	r.t.Helper()
	a, b = r.phone(alice), r.phone(bob)
	a.invite(withSDP(offer))
	b.answer(b.gets("INVITE"), 200, withSDP(answer))
	a.ack(nil, a.gets("200 INVITE"))
	b.gets("ACK")
	return a, b
}

// bye ends a call.
func (r *rig) bye(a, b *phone) {
	r.t.Helper()
	a.send(message.Bye)
	a.gets("200 BYE")
	b.answer(b.gets("BYE"), 200)
}

// LI-04: a call costs as much as one with video until it is set up, and half of it when it
// turns out to be audio. BW-03: it is on the pipe from its INVITE to its end.
func TestCallTakesAndGivesBack(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		r.wants("ringing", 384, 2)
		if got := figures(in); got != "audio" {
			t.Errorf("bob is told %q, though nothing is limited", got)
		}
		b.answer(in, 200, withSDP(offerOf(bob)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("connected", 384, 1)
		if c := r.book.Calls()[0]; c.Media.GrantedKbps != 384 || c.Media.HalfRMS != 1 || len(c.Media.Charges) != 6 || c.Media.MeasuredKbps.FromCallee != 128 {
			t.Errorf("shown as %+v", c.Media)
		}
		r.bye(a, b)
		r.wants("ended", 0, 0)
	})
}

// Both parties are told no more than is granted (BW-03, RFC 3264 section 5).
func TestDownspeed(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000)
		r.occupy(600)
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice, sound64, pictures)))
		in := b.gets("INVITE")
		r.tells(in, "b=AS:400 audio b=AS:64 video b=AS:336")
		b.answer(in, 200, withSDP(offerOf(bob, sound64, more)))
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:400 audio b=AS:64 video b=AS:336")
		a.ack(nil, ok)
		b.gets("ACK")
		r.wants("connected", 1000, 4)
		if c := r.book.Calls()[0]; c.Media.GrantedKbps != 400 || c.Media.AskedKbps < 768 {
			t.Errorf("shown as %+v", c.Media)
		}
		r.bye(a, b)
	})
}

// The answer may lower the grant: what is not answered is not used.
func TestAnswerLowersTheGrant(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.talk(offerOf(alice, sound64, pictures), offerOf(bob, sound64, "video 0 RTP/AVP 97"))
		r.wants("audio only", 64, 1)
		r.bye(a, b)
	})
}

// An answer that could do more takes nothing that was not asked for; one to an offer that
// says nothing asks for both.
func TestAnswerOfMore(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, more)))
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:768 audio b=AS:64 video b=AS:704")
		a.ack(nil, ok)
		b.gets("ACK")
		r.wants("as it was offered", 768, 2)
		r.bye(a, b)
	})
	inRig(t, func(r *rig) {
		a, b := r.talk(offerOf(alice, sound, "video 7002 RTP/AVP 97"), offerOf(bob, sound64, more))
		r.wants("as it was answered", 1536, 2)
		r.bye(a, b)
	})
}

// CA-04, facts A1.5
func TestShortage(t *testing.T) {
	full := func(r *rig, on config.Switch) {
		r.limited(1000, func(n *config.Node) { n.Bandwidth.DownspeedTotal = on })
		r.occupy(1000)
	}
	for _, tc := range []struct {
		name   string
		change func(r *rig)
		status string
		reason string
		code   string
		retry  bool
		kind   calls.Kind
	}{
		{"a full pipe", func(r *rig) { full(r, true) }, "480", "Gatekeeper Resources Unavailable", "370", true, calls.NoBandwidth},
		{"too little left, without downspeeding", func(r *rig) {
			r.limited(1000, func(n *config.Node) { n.Bandwidth.DownspeedTotal = false })
			r.occupy(500)
		}, "480", "Gatekeeper Resources Unavailable", "370", true, calls.NoBandwidth},
		{"more than one call may have", func(r *rig) {
			r.limited(1000, func(n *config.Node) {
				n.Pipes[0].PerCall = config.Limit{Mode: config.Limited, Kbps: 384}
				n.Bandwidth.DownspeedPerCall = false
			})
		}, "480", "Exceeds Call Capacity", "370", true, calls.NoBandwidth},
		{"no licence", func(r *rig) {
			r.keys = licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: 1}}
			r.limited(1000)
		}, "503", "Service Unavailable", "399", true, calls.NoLicence},
		{"no links", func(r *rig) { r.configure(func(n *config.Node) { n.Links = n.Links[:3] }) }, "480", "No Links Lead There", "399", false, calls.Unreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				tc.change(r)
				a := r.phone(alice)
				req := a.invite(withSDP(offerOf(alice, sound64, pictures)))
				m := a.gets(tc.status + " INVITE")
				a.ack(req, m)
				if m.Reason() != tc.reason || m.Has("Retry-After") != tc.retry || !strings.HasPrefix(m.Get("Warning"), tc.code+" turnpike ") {
					t.Errorf("answered\n%s", m)
				}
				if strings.Contains(m.String(), "line") {
					t.Errorf("the caller is told of our pipes:\n%s", m)
				}
				c := r.ended()
				if c.Cause.Kind != tc.kind || c.Cause.By != calls.ByNode {
					t.Errorf("ended by %+v", c.Cause)
				}
			})
		})
	}
}

// A call between two that are registered here, or in a zone that is our infrastructure,
// takes no licence (LI-04).
func TestInfrastructure(t *testing.T) {
	inRig(t, func(r *rig) {
		r.rules.ours = true
		r.keys = licensing.Installed{Keyed: true}
		r.limited(1000)
		a, b := r.talk(offerOf(alice), offerOf(bob))
		r.wants("connected", 384, 0)
		r.bye(a, b)
	})
}

// Ends that no party asked for give back, too.
func TestEveryEndGivesBack(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"operator":        func(r *rig) { _ = r.book.Disconnect("1", "") },
		"media time-out":  func(r *rig) { r.node.Silent("call:1") },
		"session expires": func(*rig) { time.Sleep(time.Hour) },
		"over its grant": func(r *rig) {
			r.rules.strict = true
			r.node.Over("call:1", 100)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.talk(offerOf(alice), offerOf(bob))
				end(r)
				time.Sleep(time.Minute)
				r.wants("ended", 0, 0)
			})
		})
	}
}

// BW-06: a call over its grant is told of, and ended only by policy.
func TestOverGrantIsTold(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.talk(offerOf(alice), offerOf(bob))
		r.node.Over("call:1", 100)
		r.node.Over("call:2", 100) // is none
		b.silent(time.Second)
		if got := r.events.of("Call Over Bandwidth"); len(got) != 1 || !strings.Contains(got[0], "100 kbit/s") {
			t.Errorf("events %q", got)
		}
		r.bye(a, b)
	})
}

// Facts A1.5: a call that is negotiated anew is told of.
func TestBandwidthChangedIsTold(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.talk(offerOf(alice, sound64), offerOf(bob, sound64))
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		if got := r.events.of("Call Bandwidth Changed"); len(got) != 1 || !strings.Contains(got[0], "768 kbit/s, before 64") {
			t.Errorf("events %q", got)
		}
		r.bye(a, b)
	})
}

// Direct media is counted and told of as well.
func TestDirectMediaIsGranted(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(500)
		a, b := r.phone(bob), r.phone(carol)
		r.callees(carol)
		a.invite(withSDP(offerOf(bob, sound64, pictures)))
		in := b.gets("INVITE")
		r.tells(in, "b=AS:500 audio b=AS:64 video b=AS:436")
		b.answer(in, 200, withSDP(offerOf(netip.AddrPort(carol), sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("directly", 500, 2)
		r.bye(a, b)
	})
}

// BW-06: where a pipe is policed both parties are told of the grant, and the relay is, at
// each change.
func TestPolicedCall(t *testing.T) {
	inRig(t, func(r *rig) {
		r.limited(1000, func(n *config.Node) { n.Pipes[0].Policing = true })
		r.has.Police(&buckets{})
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		r.tells(in, "b=AS:384 audio")
		b.answer(in, 200, withSDP(offerOf(bob)))
		ok := a.gets("200 INVITE")
		r.tells(ok, "b=AS:384 audio")
		a.ack(nil, ok)
		b.gets("ACK")
		a.send(message.Invite, withSDP(offerOf(alice, sound64, pictures)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64, pictures)))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		told := r.relay.all[0].policed
		if told[0] != 384 || told[len(told)-1] != 768 {
			t.Errorf("the relay was told %d kbps, want 384 and then 768", told)
		}
		r.bye(a, b)
	})
}

// What cannot be relayed is no stream that a licence is for.
func TestStreamsThatCannotBeRelayedCostNothing(t *testing.T) {
	inRig(t, func(r *rig) {
		chat := "message 7004 TCP/MSRP *"
		a, b := r.talk(offerOf(alice, sound64, chat), offerOf(bob, sound64, "message 0 TCP/MSRP *"))
		r.wants("audio and chat", 64, 1)
		a.send(message.Invite, withSDP(offerOf(alice, sound64+"\r\na=sendonly", chat)))
		r.wants("on hold", 64, 1)
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob, sound64+"\r\na=recvonly", "message 0 TCP/MSRP *")))
		a.ack(nil, a.gets("200 INVITE"))
		b.gets("ACK")
		r.wants("on hold", 64, 1)
		r.bye(a, b)
	})
}
