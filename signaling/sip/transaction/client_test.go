package transaction

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

func TestInviteClient(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   loop.Transport
		do   func(s *story)
		want string
	}{
		{"timers A and B", loop.UDP, func(s *story) {
			s.ask(message.Invite)
			s.wait(time.Minute)
		}, `
0s INVITE
500ms INVITE
1.5s INVITE
3.5s INVITE
7.5s INVITE
15.5s INVITE
31.5s INVITE
32s failed: no final answer came in time`},
		{"timer B alone over a reliable transport", loop.TCP, func(s *story) {
			s.ask(message.Invite)
			s.wait(time.Minute)
		}, `
0s INVITE
32s failed: no final answer came in time`},
		{"a provisional response ends the repeating", loop.UDP, func(s *story) {
			s.ask(message.Invite)
			s.wait(time.Second)
			s.answer(100)
			s.wait(time.Minute)
			s.answer(180)
			s.wait(time.Minute)
			s.answer(200)
			s.wait(time.Minute)
		}, `
0s INVITE
500ms INVITE
1s told 100 INVITE
1m1s told 180 INVITE
2m1s told 200 INVITE`},
		{"timer D: what is refused is acknowledged each time", loop.UDP, func(s *story) {
			s.ask(message.Invite)
			s.answer(486)
			s.wait(time.Second)
			s.answer(486)
			s.wait(30 * time.Second)
			s.answer(486)
			s.wait(2 * time.Second)
			s.answer(486)
			s.wait(time.Minute)
		}, `
0s INVITE
0s ACK
0s told 486 INVITE
1s ACK
31s ACK`},
		{"timer D is zero over a reliable transport", loop.TCP, func(s *story) {
			s.ask(message.Invite)
			s.answer(600)
			s.wait(time.Second)
			s.answer(600)
		}, `
0s INVITE
0s ACK
0s told 600 INVITE`},
		{"timer M: each 2xx is told", loop.UDP, func(s *story) {
			s.ask(message.Invite)
			s.answer(200)
			s.wait(time.Second)
			s.answer(200)
			s.answer(180) // too late to mean anything
			s.answer(486)
			s.wait(30 * time.Second)
			s.answer(200)
			s.wait(2 * time.Second)
			s.answer(200)
			s.wait(time.Minute)
		}, `
0s INVITE
0s told 200 INVITE
1s told 200 INVITE
31s told 200 INVITE`},
		{"CANCEL waits for a provisional response", loop.UDP, func(s *story) {
			c := s.ask(message.Invite)
			s.do(func() { c.Cancel(nil) })
			s.wait(100 * time.Millisecond)
			s.answer(180)
			s.do(func() { c.Cancel(nil) }) // once is enough
			s.wait(10 * time.Millisecond)
			s.arriveCancelled(200)
			s.answer(487)
			s.wait(time.Minute)
		}, `
0s INVITE
100ms CANCEL
100ms told 180 INVITE
110ms ACK
110ms told 487 INVITE`},
		{"CANCEL that changes nothing", loop.TCP, func(s *story) {
			c := s.ask(message.Invite)
			s.answer(183)
			s.wait(time.Second)
			s.do(func() { c.Cancel(func(m *message.Message) { m.Set("Reason", "SIP;cause=200") }) })
			if got := s.sent[1].Get("Reason"); got != "SIP;cause=200" {
				s.t.Errorf("Reason %q", got)
			}
			s.wait(5 * time.Second)
			s.answer(183)
			s.wait(time.Minute)
		}, `
0s INVITE
0s told 183 INVITE
1s CANCEL
6s told 183 INVITE
33s failed: no final answer came in time`},
		{"CANCEL comes too late", loop.UDP, func(s *story) {
			c := s.ask(message.Invite)
			s.do(func() { c.Cancel(nil) })
			s.answer(200)
			s.do(func() { c.Cancel(nil) })
			s.wait(time.Minute)
		}, `
0s INVITE
0s told 200 INVITE`},
		{"nobody rings for ever", loop.TCP, func(s *story) {
			s.ask(message.Invite)
			s.answer(180)
			s.wait(9 * time.Minute)
			s.answer(180)
			s.wait(11 * time.Minute)
			s.wait(time.Minute)
		}, `
0s INVITE
0s told 180 INVITE
9m0s told 180 INVITE
19m0s CANCEL
19m0s failed: no final answer came in time`},
		{"the transport fails", loop.TCP, func(s *story) {
			s.ask(message.Invite)
			s.fails(errBroken)
			s.wait(time.Minute)
		}, `
0s INVITE
0s failed: no way there`},
		{"stopped", loop.UDP, func(s *story) {
			c := s.ask(message.Invite)
			s.do(c.Stop)
			s.answer(180)
			s.wait(time.Minute)
			if len(s.strays) != 1 {
				s.t.Errorf("%d strays", len(s.strays))
			}
		}, `
0s INVITE`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, c.tr, nil, func(s *story) {
				c.do(s)
				s.expect(c.want)
				s.empty()
			})
		})
	}
}

// arriveCancelled has the other side answer the CANCEL.
func (s *story) arriveCancelled(status int) {
	for _, m := range s.sent {
		if m.Method() == message.Cancel {
			s.arrive(s.source(), message.NewResponse(m, status, "").Append(nil))
		}
	}
}

func TestPlainClient(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   loop.Transport
		do   func(s *story)
		want string
	}{
		{"timers E and F", loop.UDP, func(s *story) {
			s.ask(message.Options)
			s.wait(time.Minute)
		}, `
0s OPTIONS
500ms OPTIONS
1.5s OPTIONS
3.5s OPTIONS
7.5s OPTIONS
11.5s OPTIONS
15.5s OPTIONS
19.5s OPTIONS
23.5s OPTIONS
27.5s OPTIONS
31.5s OPTIONS
32s failed: no final answer came in time`},
		{"timer F alone over a reliable transport", loop.TLS, func(s *story) {
			s.ask(message.Options)
			s.wait(time.Minute)
		}, `
0s OPTIONS
32s failed: no final answer came in time`},
		{"timer E after a provisional response", loop.UDP, func(s *story) {
			s.ask(message.Options)
			s.wait(time.Second)
			s.answer(100)
			s.wait(10 * time.Second)
			s.answer(200)
			s.wait(time.Minute)
		}, `
0s OPTIONS
500ms OPTIONS
1s told 100 OPTIONS
1.5s OPTIONS
5.5s OPTIONS
9.5s OPTIONS
11s told 200 OPTIONS`},
		{"timer K absorbs", loop.UDP, func(s *story) {
			s.ask(message.Options)
			s.answer(404)
			s.wait(4 * time.Second)
			s.answer(404)
			if len(s.strays) != 0 {
				s.t.Error("a repeated answer is a stray")
			}
			s.wait(2 * time.Second)
			s.answer(404)
			if len(s.strays) != 1 {
				s.t.Error("it was remembered for too long")
			}
		}, `
0s OPTIONS
0s told 404 OPTIONS`},
		{"the transport fails", loop.UDP, func(s *story) {
			s.ask(message.Options)
			s.answer(100)
			s.wait(time.Second)
			s.fails(errBroken)
		}, `
0s OPTIONS
0s told 100 OPTIONS
500ms OPTIONS
1s failed: no way there`},
		{"only an INVITE is cancelled", loop.UDP, func(s *story) {
			c := s.ask(message.Options)
			s.answer(100)
			s.do(func() { c.Cancel(nil) })
			s.answer(200)
			s.wait(time.Minute)
		}, `
0s OPTIONS
0s told 100 OPTIONS
0s told 200 OPTIONS`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, c.tr, nil, func(s *story) {
				c.do(s)
				s.expect(c.want)
				s.empty()
			})
		})
	}
}

func TestARequestIsNotSent(t *testing.T) {
	tell(t, loop.UDP, []Option{Limit(1, 10)}, func(s *story) {
		s.ask(message.Options)
		s.lines = nil
		s.do(func() {
			s.Layer.Send(s.shard, request(message.Options, "2"), s.hop(), s)
			s.note("sent")
		})
		s.wait(10 * time.Millisecond)
		s.expect("0s sent\n10ms failed: there are as many transactions as are allowed")
		s.answer(200)
	})
}
