package b2bua

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestRequestsWithin(t *testing.T) {
	for _, tc := range []struct {
		method  message.Method
		change  []func(*message.Message)
		answer  int
		headers []string // that arrive
	}{
		{message.Info, []func(*message.Message){with("Info-Package", "dtmf"), func(m *message.Message) { m.SetBody("application/dtmf-relay", []byte("Signal=5\r\n")) }}, 200, []string{"Info-Package", "Content-Type"}},
		{message.MessageMethod, []func(*message.Message){func(m *message.Message) { m.SetBody("text/plain", []byte("hello")) }}, 202, []string{"Content-Type"}},
		{message.Notify, []func(*message.Message){with("Event", "refer"), with("Subscription-State", "active")}, 200, []string{"Event", "Subscription-State"}},
		{message.Refer, []func(*message.Message){with("Refer-To", "<sip:carol@example.test>")}, 202, []string{"Refer-To"}},
		{message.Options, nil, 200, nil},
		{message.Subscribe, []func(*message.Message){with("Event", "conference"), with("Expires", "600")}, 489, []string{"Event", "Expires"}},
	} {
		t.Run(string(tc.method), func(t *testing.T) {
			inRig(t, func(r *rig) {
				a, b := r.connect()
				for _, pair := range [][2]*phone{{a, b}, {b, a}} {
					pair[0].send(tc.method, tc.change...)
					in := pair[1].gets(string(tc.method))
					for _, h := range tc.headers {
						if !in.Has(h) {
							t.Errorf("%s was lost", h)
						}
					}
					if string(in.Body()) != string(pair[0].last.Body()) {
						t.Errorf("the body is %q", in.Body())
					}
					pair[1].answer(in, tc.answer)
					if m := pair[0].next(time.Second); m == nil || m.Status() != tc.answer {
						t.Errorf("answered %v", m)
					}
				}
				hangUp(a, b)
			})
		})
	}
}

func TestRefusedWithin(t *testing.T) {
	inRig(t, func(r *rig) {
		r.rules.refuse = true
		a, b := r.connect()
		a.send(message.Refer, with("Refer-To", "<sip:carol@example.test>"))
		a.gets("403 REFER")
		a.send(message.Info, func(m *message.Message) { m.SetMaxForwards(0) })
		a.gets("483 INFO")
		a.send("PUBLISH")
		a.gets("405 PUBLISH")
		old := a.to
		a.to = a.to.WithTag("nobody")
		a.send(message.Info)
		a.gets("481 INFO")
		a.to = old
		hangUp(a, b)
		a.send(message.Info)
		a.gets("481 INFO")
	})
}

// A request that nobody answers fails by itself; the call goes on (RFC 4320: no 408).
func TestSilentWithin(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		a.send(message.Info)
		b.gets("INFO")
		time.Sleep(40 * time.Second)
		hangUp(a, b)
	})
}

// An end that does not know the call any more ends it (RFC 3261 section 12.2.1.2).
func TestForgottenCall(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		req := a.send(message.Invite, withSDP(offerOf(alice)))
		b.answer(b.gets("INVITE"), 481)
		b.gets("ACK")
		a.ack(req, a.gets("481 INVITE"))
		a.answer(a.gets("BYE"), 200)
		b.answer(b.gets("BYE"), 481)
	})
}

// BYE while a request waits for its answer (RFC 3261 section 15.1.2).
func TestByeWithRequestsPending(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		req := b.send(message.Invite, withSDP(offerOf(bob)))
		in := a.gets("INVITE")
		b.send(message.Info)
		info := a.gets("INFO")
		a.send(message.Bye)
		a.gets("200 BYE")
		got := map[string]bool{}
		for range 3 {
			m := b.next(time.Second)
			got[want(m)] = true
			switch {
			case m.Method() == message.Bye:
				b.answer(m, 200)
			case m.Method() == message.Invite:
				b.ack(req, m)
			}
		}
		if !got["487 INVITE"] || !got["487 INFO"] || !got["BYE"] {
			t.Errorf("bob got %v", got)
		}
		a.answer(in, 200, withSDP(offerOf(alice)))
		a.gets("ACK")
		a.answer(info, 200)
	})
}

func TestLostAck(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		a.invite(withSDP(offerOf(alice)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		n := 0
		for m := a.next(40 * time.Second); want(m) == "200 INVITE"; m = a.next(40 * time.Second) {
			n++
			if n == 1 {
				a.dialog(m)
			}
		}
		if n != 11 {
			t.Errorf("the 200 came %d times, want 11", n)
		}
		b.answer(b.gets("BYE"), 200)
		r.settle()
		r.golden("lost-ack")
		if got := r.ended().Cause; got.Kind != calls.Failed || got.By != calls.ByNode {
			t.Errorf("recorded as %+v", got)
		}
	})
}

// The callee hangs up before the caller's ACK: its BYE waits for that (RFC 3261 section 15).
func TestByeBeforeAck(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		ok := a.gets("200 INVITE")
		b.send(message.Bye)
		b.gets("200 BYE")
		if m := a.next(200 * time.Millisecond); m != nil {
			t.Errorf("alice gets %s before her ACK", want(m))
		}
		a.ack(req, ok)
		a.answer(a.gets("BYE"), 200)
	})
}

func TestOperatorDisconnects(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		if err := r.book.Disconnect("1", "maintenance"); err != nil {
			t.Fatal(err)
		}
		a.answer(a.gets("BYE"), 200)
		b.answer(b.gets("BYE"), 200)
		if got := r.ended().Cause; got.Kind != calls.Disconnected || got.By != calls.ByOperator || got.Reason != "maintenance" {
			t.Errorf("recorded as %+v", got)
		}
	})
}

func TestOperatorDisconnectsRingingCall(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 180)
		a.gets("180 INVITE")
		_ = r.book.Disconnect("1", "")
		b.answer(b.gets("CANCEL"), 200)
		b.answer(in, 487)
		b.gets("ACK")
		a.ack(req, a.gets("480 INVITE"))
	})
}

// ME-02
func TestSilentMedia(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		r.node.Silent("call:1")
		a.answer(a.gets("BYE"), 200)
		b.answer(b.gets("BYE"), 200)
		if got := r.ended().Cause.Kind; got != calls.MediaTimeout {
			t.Errorf("recorded as %s", got)
		}
	})
}

func TestSessionTimers(t *testing.T) {
	supports := func(se string) []func(*message.Message) {
		return []func(*message.Message){with("Supported", "timer"), with("Session-Expires", se), withSDP(offerOf(alice))}
	}
	t.Run("too small", func(t *testing.T) {
		inRig(t, func(r *rig) {
			r.limit.Min = 500 * time.Second
			a := r.phone(alice)
			req := a.invite(supports("100")...)
			m := a.gets("422 INVITE")
			a.ack(req, m)
			if m.Get("Min-SE") != "500" {
				t.Errorf("Min-SE %q", m.Get("Min-SE"))
			}
		})
	})
	t.Run("too small for the callee", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.phone(alice), r.phone(bob)
			req := a.invite(supports("1800")...)
			b.answer(b.gets("INVITE"), 422, with("Min-SE", "3600"))
			b.gets("ACK")
			in := b.gets("INVITE")
			if in.Get("Min-SE") != "3600" || in.Get("Session-Expires") != "3600" {
				t.Errorf("asked for %s, at least %s", in.Get("Session-Expires"), in.Get("Min-SE"))
			}
			b.answer(in, 486)
			b.gets("ACK")
			a.ack(req, a.gets("486 INVITE"))
		})
	})
	t.Run("the caller refreshes", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.phone(alice), r.phone(bob)
			req := a.invite(supports("600")...)
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			ok := a.gets("200 INVITE")
			if got := ok.Get("Session-Expires"); got != "600;refresher=uac" || !strings.Contains(ok.Get("Require"), "timer") {
				t.Errorf("Session-Expires %q, Require %q", got, ok.Get("Require"))
			}
			a.ack(req, ok)
			time.Sleep(300 * time.Second)
			a.send(message.Update, with("Supported", "timer"), with("Session-Expires", "600;refresher=uac"))
			b.answer(b.gets("UPDATE"), 200)
			if got := a.gets("200 UPDATE").Get("Session-Expires"); got != "600;refresher=uac" {
				t.Errorf("Session-Expires %q", got)
			}
			time.Sleep(560 * time.Second) // and no more
			a.silent(5 * time.Second)
			a.answer(a.gets("BYE"), 200)
			b.answer(b.gets("BYE"), 200)
			r.golden("session-timer")
			if got := r.ended().Cause.Kind; got != calls.SessionExpired {
				t.Errorf("recorded as %s", got)
			}
		})
	})
	t.Run("we refresh", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.phone(alice), r.phone(bob)
			req := a.invite(withSDP(offerOf(alice))) // it knows no timers
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)), with("Session-Expires", "600;refresher=uac"), func(m *message.Message) { m.Set("Allow", "INVITE") })
			b.gets("ACK")
			a.ack(req, a.gets("200 INVITE"))
			time.Sleep(290 * time.Second)
			again := b.gets("INVITE") // it takes no UPDATE
			if len(again.Body()) == 0 {
				t.Error("a refresh without the description")
			}
			b.answer(again, 200, withSDP(offerOf(bob)), with("Session-Expires", "600;refresher=uac"))
			b.gets("ACK")
			b.answer(again, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			for range 2 { // bob's interval is a third of alice's
				time.Sleep(290 * time.Second)
				b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)), with("Session-Expires", "600;refresher=uac"))
				b.gets("ACK")
			}
			m := a.gets("UPDATE")
			a.answer(m, 200, with("Session-Expires", "1800;refresher=uac"))
			hangUp(a, b)
		})
	})
	t.Run("a refresh is not answered", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.connect()
			time.Sleep(14*time.Minute + 50*time.Second)
			a.gets("UPDATE")
			b.answer(b.gets("BYE"), 200)
			a.gets("BYE")
			if got := r.ended().Cause.Kind; got != calls.Failed {
				t.Errorf("recorded as %s", got)
			}
		})
	})
	t.Run("too small for the callee later", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.connect()
			req := a.send(message.Invite, withSDP(offerOf(alice)))
			b.answer(b.gets("INVITE"), 422, with("Min-SE", "3600"))
			b.gets("ACK")
			a.ack(req, a.gets("491 INVITE"))
			req = a.send(message.Invite, withSDP(offerOf(alice)))
			in := b.gets("INVITE")
			if got := in.Get("Session-Expires"); got != "3600" {
				t.Errorf("asked for %s", got)
			}
			b.answer(in, 200, withSDP(offerOf(bob)))
			b.gets("ACK")
			a.ack(req, a.gets("200 INVITE"))
			hangUp(a, b)
		})
	})
	t.Run("an UPDATE for nobody", func(t *testing.T) {
		inRig(t, func(r *rig) {
			a, b := r.phone(alice), r.phone(bob)
			req := a.invite(supports("600")...)
			b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)), func(m *message.Message) { m.Set("Allow", "INVITE, BYE") })
			b.gets("ACK")
			a.ack(req, a.gets("200 INVITE"))
			a.send(message.Update, with("Supported", "timer"), with("Session-Expires", "600;refresher=uac"))
			a.gets("200 UPDATE")
			b.silent(time.Second)
			hangUp(a, b)
		})
	})
}

// A phone behind a NAT whose port changed is found where its last request came from.
func TestMovedBehindNAT(t *testing.T) {
	inRig(t, func(r *rig) {
		private := func(m *message.Message) {
			m.SetContacts(message.Address{URI: message.URI{Scheme: "sip", User: "alice", Host: "10.0.0.9"}})
		}
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)), private)
		b.answer(b.gets("INVITE"), 200, withSDP(offerOf(bob)))
		b.gets("ACK")
		a.ack(req, a.gets("200 INVITE"), private)
		a.at = netip.AddrPortFrom(alice.Addr(), 6000)
		a.send(message.Info, private)
		b.answer(b.gets("INFO"), 200)
		a.gets("200 INFO")
		b.send(message.Bye)
		b.gets("200 BYE")
		a.answer(a.gets("BYE"), 200)
	})
}

// Who was challenged by a system behind this node answers it.
func TestChallengeOfCallee(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		b.answer(b.gets("INVITE"), 407, with("Proxy-Authenticate", `Digest realm="pbx", nonce="1"`))
		b.gets("ACK")
		m := a.gets("407 INVITE")
		a.ack(req, m)
		if m.Get("Proxy-Authenticate") == "" {
			t.Error("the challenge was lost")
		}
		req = a.send(message.Invite, withSDP(offerOf(alice)), with("Proxy-Authorization", `Digest realm="pbx"`))
		in := b.gets("INVITE")
		if in.Get("Proxy-Authorization") == "" {
			t.Error("the password was lost")
		}
		b.answer(in, 486)
		b.gets("ACK")
		a.ack(req, a.gets("486 INVITE"))
	})
}

func TestLadderHasEverything(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)))
		in := b.gets("INVITE")
		b.answer(in, 180)
		a.gets("180 INVITE")
		a.cancel(req)
		a.gets("200 CANCEL")
		a.ack(req, a.gets("487 INVITE"))
		b.answer(b.gets("CANCEL"), 200)
		b.answer(in, 487)
		b.gets("ACK")
		ladder, err := r.book.Ladder("1", false)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range ladder.Messages {
			first, _, _ := strings.Cut(string(m.Data), "\r\n")
			way := "<"
			if m.Sent {
				way = ">"
			}
			got = append(got, way+" "+people[m.Remote]+" "+first[:min(len(first), 11)])
		}
		want := []string{
			"< alice INVITE sip:", "> bob INVITE sip:", "< bob SIP/2.0 180", "> alice SIP/2.0 180",
			"< alice CANCEL sip:", "> alice SIP/2.0 487", "> bob CANCEL sip:", "< bob SIP/2.0 487",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the ladder (-want +got):\n%s", d)
		}
	})
}

// RFC 3261 section 12.1.1: who is called securely is answered so.
func TestSecureContact(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.phone(alice), r.phone(bob)
		req := a.invite(withSDP(offerOf(alice)), func(m *message.Message) {
			u := m.URI()
			u.Scheme = "sips"
			m.SetURI(u)
		})
		in := b.gets("INVITE")
		b.answer(in, 180)
		if m := a.gets("180 INVITE"); m.Contacts()[0].URI.Scheme != "sips" {
			t.Errorf("Contact %s", m.Get("Contact"))
		}
		b.answer(in, 486)
		b.gets("ACK")
		a.ack(req, a.gets("486 INVITE"))
	})
}

// An end that asks and asks, and is never answered.
func TestTooManyRequests(t *testing.T) {
	inRig(t, func(r *rig) {
		a, b := r.connect()
		for range maxPending {
			a.send(message.Info)
			b.gets("INFO")
		}
		a.send(message.Info)
		a.gets("503 INFO")
		hangUpAmid(a, b)
	})
}

// hangUpAmid is hangUp where answers to other requests come in between.
func hangUpAmid(a, b *phone) {
	a.send(message.Bye)
	for m := a.next(time.Second); m == nil || want(m) != "200 BYE"; m = a.next(time.Second) {
		if m == nil {
			a.r.t.Fatal("no answer to BYE")
		}
	}
	b.answer(b.gets("BYE"), 200)
}
