package transaction

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

const one, two = "z9hG4bKone", "z9hG4bKtwo"

// ended notes how the transaction of the last request ends.
func (s *story) ended() {
	s.do(func() {
		s.requests[len(s.requests)-1].OnEnd(func(err error) { s.note("ended: %v", err) })
	})
}

// seen says how many requests the core was given.
func (s *story) seen(want int) {
	s.t.Helper()
	if len(s.requests) != want {
		s.t.Errorf("the core was given %d requests, want %d", len(s.requests), want)
	}
}

func TestInviteServer(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   loop.Transport
		do   func(s *story)
		want string
	}{
		{"100 after 200 ms, and again when asked", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.wait(time.Second)
			s.come(message.Invite, one)
			s.reply(180)
			s.come(message.Invite, one)
			s.seen(1)
			s.reply(486)
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
200ms 100 INVITE
1s 100 INVITE
1s 180 INVITE
1s 180 INVITE
1s 486 INVITE`},
		{"no 100 where the user is quick", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.wait(100 * time.Millisecond)
			s.reply(180)
			s.wait(time.Minute)
			s.reply(404)
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
100ms 180 INVITE
1m0.1s 404 INVITE`},
		{"timers G and H", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(486)
			s.wait(time.Minute)
		}, `
0s 486 INVITE
500ms 486 INVITE
1.5s 486 INVITE
3.5s 486 INVITE
7.5s 486 INVITE
11.5s 486 INVITE
15.5s 486 INVITE
19.5s 486 INVITE
23.5s 486 INVITE
27.5s 486 INVITE
31.5s 486 INVITE
32s ended: the answer was not acknowledged`},
		{"timer H alone over a reliable transport", loop.TCP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(486)
			s.wait(time.Minute)
		}, `
0s 486 INVITE
32s ended: the answer was not acknowledged`},
		{"timer I absorbs", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(486)
			s.wait(time.Second)
			s.come(message.Ack, one)
			s.come(message.Ack, one)
			s.come(message.Invite, one)
			s.wait(4 * time.Second)
			s.come(message.Invite, one)
			s.seen(1)
			s.wait(2 * time.Second)
			if len(s.acks) != 0 {
				s.t.Error("the ACK of a refusal was passed on")
			}
		}, `
0s 486 INVITE
500ms 486 INVITE
1s ended: <nil>`},
		{"a 2xx is repeated until its ACK comes, and absorbs INVITEs for timer L", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(200)
			s.come(message.Invite, one)
			s.wait(2 * time.Second)
			ack := s.come(message.Ack, two, withTag(s.sent[0].To().Tag()))
			s.arrive(s.source(), ack.Append(nil)) // again: the user wants to know
			s.wait(30 * time.Second)
			s.come(message.Invite, one)
			s.seen(1)
			if len(s.acks) != 2 {
				s.t.Errorf("%d ACKs", len(s.acks))
			}
			s.wait(3 * time.Second)
			s.come(message.Invite, one)
			s.seen(2)
			s.reply(404)
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
0s 200 INVITE
500ms 200 INVITE
1.5s 200 INVITE
2s ended: <nil>
35s 404 INVITE`},
		{"a 2xx without ACK, over a reliable transport too", loop.TLS, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(200)
			s.wait(time.Minute)
		}, `
0s 200 INVITE
500ms 200 INVITE
1.5s 200 INVITE
3.5s 200 INVITE
7.5s 200 INVITE
11.5s 200 INVITE
15.5s 200 INVITE
19.5s 200 INVITE
23.5s 200 INVITE
27.5s 200 INVITE
31.5s 200 INVITE
32s ended: the answer was not acknowledged`},
		{"nobody may be forgotten for ever", loop.TCP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.wait(10*time.Minute + time.Second)
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
200ms 100 INVITE
10m0s 408 INVITE
10m1s ended: <nil>`},
		{"the transport fails", loop.TCP, func(s *story) {
			s.come(message.Invite, one)
			s.ended()
			s.reply(180)
			s.fails(errBroken)
			s.reply(200)
			s.wait(time.Minute)
		}, `
0s 180 INVITE
0s ended: no way there`},
		{"cancelled", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.do(func() {
				in := s.requests[0]
				in.OnCancel(func(m *message.Message) { s.note("told %s", m.Method()); in.Reply(487, "") })
			})
			s.wait(300 * time.Millisecond)
			s.come(message.Cancel, one)
			s.come(message.Cancel, one)
			if a, b := s.sent[1].To().Tag(), s.sent[2].To().Tag(); a == "" || a != b {
				s.t.Errorf("CANCEL and INVITE are answered with different tags %q and %q", a, b)
			}
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
200ms 100 INVITE
300ms 200 CANCEL
300ms told CANCEL
300ms 487 INVITE
300ms 200 CANCEL`},
		{"cancelled before anybody listened", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.come(message.Cancel, one)
			s.wait(time.Second)
			s.do(func() {
				s.requests[0].OnCancel(func(*message.Message) { s.requests[0].Reply(487, "") })
			})
			s.come(message.Ack, one)
			s.wait(time.Minute)
		}, `
0s 200 CANCEL
200ms 100 INVITE
1s 487 INVITE`},
		{"cancelled too late", loop.UDP, func(s *story) {
			s.come(message.Invite, one)
			s.do(func() { s.requests[0].OnCancel(func(*message.Message) { s.note("told") }) })
			s.reply(603)
			s.come(message.Cancel, one)
			s.come(message.Ack, one)
			s.come(message.Cancel, two)
			s.wait(time.Minute)
		}, `
0s 603 INVITE
0s 200 CANCEL
0s 481 CANCEL`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, c.tr, nil, func(s *story) {
				c.do(s)
				s.expect(c.want)
				s.wait(time.Minute)
				s.empty()
			})
		})
	}
}

func TestPlainServer(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   loop.Transport
		do   func(s *story)
		want string
	}{
		{"timer J answers again", loop.UDP, func(s *story) {
			s.come(message.Options, one)
			s.come(message.Options, one)
			s.ended()
			s.reply(200)
			s.wait(30 * time.Second)
			s.come(message.Options, one)
			s.seen(1)
			s.wait(3 * time.Second)
			s.come(message.Options, one)
			s.seen(2)
			s.reply(404)
		}, `
0s 200 OPTIONS
0s ended: <nil>
30s 200 OPTIONS
33s 404 OPTIONS`},
		{"timer J is zero over a reliable transport", loop.TCP, func(s *story) {
			s.come(message.Options, one)
			s.reply(200)
			s.empty()
		}, `
0s 200 OPTIONS`},
		// RFC 4320 section 4.1.
		{"100 when timer E is T2, and nothing but 100", loop.UDP, func(s *story) {
			s.come(message.MessageMethod, one)
			s.reply(180)
			s.wait(5 * time.Second)
			s.come(message.MessageMethod, one)
			s.reply(202)
		}, `
3.5s 100 MESSAGE
5s 100 MESSAGE
5s 202 MESSAGE`},
		// RFC 4320 section 4.2.
		{"no answer after timer F", loop.UDP, func(s *story) {
			s.come(message.Options, one)
			s.ended()
			s.wait(33 * time.Second)
			s.reply(200)
			s.come(message.Options, one)
			s.seen(1)
		}, `
3.5s 100 OPTIONS
32s ended: no final answer came in time`},
		// RFC 4320 section 4.2.
		{"no 408", loop.UDP, func(s *story) {
			s.come(message.Options, one)
			s.ended()
			s.reply(408)
			s.come(message.Options, one)
			s.seen(1)
		}, `
0s ended: <nil>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, c.tr, nil, func(s *story) {
				c.do(s)
				s.expect(c.want)
				s.wait(time.Minute)
				s.empty()
			})
		})
	}
}

// RFC 3261 section 8.2.2.2, and section 16.3 for what is forked to two users of ours.
func TestMergedRequests(t *testing.T) {
	tell(t, loop.UDP, nil, func(s *story) {
		s.come(message.Invite, one)
		s.come(message.Invite, two)
		s.seen(1)
		s.come(message.Ack, two)
		s.come(message.Invite, "z9hG4bKthree", func(m *message.Message) {
			u := m.URI()
			u.User = "carol"
			m.SetURI(u)
		})
		s.seen(2)
		s.do(func() {
			for _, r := range s.requests {
				r.Reply(404, "")
			}
		})
		s.come(message.Ack, one)
		s.come(message.Ack, "z9hG4bKthree")
		s.expect("0s 482 INVITE\n0s 404 INVITE\n0s 404 INVITE")
		s.come(message.Invite, "z9hG4bKfour") // who was refused may try another way
		s.seen(3)
		s.reply(404)
		s.come(message.Ack, "z9hG4bKfour")
		s.wait(time.Minute)
		s.empty()
	})
}

// A client of RFC 2543 has no branch of its own (RFC 3261 section 17.2.3).
func TestOldBranches(t *testing.T) {
	for _, branch := range []string{"", "1"} {
		tell(t, loop.UDP, nil, func(s *story) {
			set := func(m *message.Message) {
				v := m.Via()
				v.Params = v.Params.Without("branch")
				if branch != "" {
					v.Params = v.Params.With("branch", branch)
				}
				m.SetVia(v)
			}
			s.come(message.Invite, one, set)
			s.come(message.Invite, one, set)
			s.seen(1)
			s.reply(486)
			s.come(message.Ack, one, set, withTag(s.sent[0].To().Tag()))
			s.wait(time.Second)
			s.expect("0s 486 INVITE")
			s.wait(time.Minute)
			s.empty()
		})
	}
}

func TestOverload(t *testing.T) {
	tell(t, loop.UDP, []Option{Limit(1, 2)}, func(s *story) {
		s.come(message.Options, one)
		s.come(message.Options, two)
		s.seen(1)
		if got := s.sent[0].Get("Retry-After"); got != RetryAfter {
			t.Errorf("Retry-After %q", got)
		}
		s.reply(200)
		for _, branch := range []string{"z9hG4bK3", "z9hG4bK4", "z9hG4bK5"} {
			s.come(message.Options, branch)
			s.reply(200)
		}
		if got := s.Stats().Ended; got != 2 {
			t.Errorf("%d are remembered", got)
		}
		s.lines = nil
		s.wait(time.Minute)
		s.empty()
	})
}

func TestAPanicIsAnswered(t *testing.T) {
	tell(t, loop.UDP, []Option{Product("Turnpike")}, func(s *story) {
		s.serve = func(*Server) { panic(errOnPurpose) }
		s.come(message.Options, one)
		s.expect("0s 500 OPTIONS")
		if got := s.sent[0].Get("Server"); got != "Turnpike" {
			t.Errorf("Server %q", got)
		}
	})
}
