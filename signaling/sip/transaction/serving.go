package transaction

import (
	"time"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// What the tables of servers do.

// absorb: a request that came again means nothing.
func (s *Server) absorb(*message.Message) {}

// repeat sends the last response again.
func (s *Server) repeat(*message.Message) {
	if s.answer != nil {
		s.table.count.resent.Add(1)
		s.table.send(s.hop, s.answer, s.fail)
	}
}

// provide sends a response that is not the last word.
func (s *Server) provide(m *message.Message) {
	timers := s.table.layer.timers
	switch {
	case s.state == accepted: // the user repeats its 2xx; the clock goes on
	case s.machine == &s.table.layer.machines.inviteServer:
		s.clock.begin(s.table.shard, 0, 0, timers.Patience, s.tick)
	default:
		s.clock.step = 0
	}
	s.send(m)
}

// try says 100, because nobody else has answered yet.
func (s *Server) try(*message.Message) {
	s.clock.step = 0
	s.send(message.NewResponse(s.request, 100, ""))
}

func (s *Server) send(m *message.Message) {
	s.answer = s.table.wire(m)
	s.table.send(s.hop, s.answer, s.fail)
}

// accept sends a 2xx until its ACK comes, also over a reliable transport: another hop may be none.
func (s *Server) accept(m *message.Message) {
	t, timers := s.table, s.table.layer.timers
	s.answered = true
	s.ackKey = t.keys.ack(m)
	t.acks[s.ackKey] = s
	s.send(m)
	s.clock.begin(t.shard, timers.T1, timers.T2, timers.long(), s.tick)
}

// reject sends another final response to an INVITE, until its ACK comes.
func (s *Server) reject(m *message.Message) {
	t, timers := s.table, s.table.layer.timers
	s.answered = true
	t.unmark(s.mark, s.key) // who was refused may come by another way
	s.mark = key{}
	s.send(m)
	again := timers.T1
	if reliable(s.hop) {
		again = 0
	}
	s.clock.begin(t.shard, again, timers.T2, timers.long(), s.tick)
}

// confirmSuccess: what is left absorbs the INVITE for as long as it may come again (timer L).
func (s *Server) confirmSuccess(*message.Message) {
	s.end(record{ok: true, merged: s.mark}, s.table.layer.timers.long(), nil)
}

// confirm: what is left absorbs the INVITE and its ACK (timer I).
func (s *Server) confirm(*message.Message) {
	s.end(record{}, s.unlessReliable(s.table.layer.timers.T4), nil)
}

// finish sends the final response to a request that is no INVITE; what is left repeats it (timer J).
func (s *Server) finish(m *message.Message) {
	s.answered = true
	timers := s.table.layer.timers
	if m.Status() == 408 { // RFC 4320 section 4.2: it would come too late to mean anything
		s.end(record{}, s.unlessReliable(timers.long()), nil)
		return
	}
	answer := s.table.wire(m)
	s.table.send(s.hop, answer, nil)
	s.end(record{answer: answer}, s.unlessReliable(timers.long()), nil)
}

// loseInvite answers an INVITE that its user forgot.
func (s *Server) loseInvite(*message.Message) {
	s.table.count.timeouts.Add(1)
	s.Reply(408, "")
}

func (s *Server) lose(*message.Message) {
	s.table.count.timeouts.Add(1)
	s.end(record{}, s.unlessReliable(s.table.layer.timers.T4), ErrTimeout)
}

func (s *Server) missAck(*message.Message) {
	s.table.count.timeouts.Add(1)
	s.end(record{}, 0, ErrNoAck)
}

func (s *Server) breakOff(*message.Message) {
	s.table.count.broken.Add(1)
	s.end(record{}, 0, s.err)
}

// unlessReliable: over a reliable transport nothing comes twice.
func (s *Server) unlessReliable(d time.Duration) time.Duration {
	if reliable(s.hop) {
		return 0
	}
	return d
}

// end takes the transaction out of the table, leaves a record there for a time, and tells the user.
func (s *Server) end(r record, keep time.Duration, why error) {
	t := s.table
	s.clock.stop()
	s.answer = nil
	delete(t.servers, s.key)
	delete(t.acks, s.ackKey)
	t.count.servers.Store(int64(len(t.servers)))
	if keep == 0 || r.merged != s.mark {
		t.unmark(s.mark, s.key)
	}
	switch keep {
	case 0:
	case t.short.delay:
		t.remember(s.key, r, &t.short)
	default:
		t.remember(s.key, r, &t.long)
	}
	s.over, s.why = true, why
	if s.onEnd != nil {
		s.onEnd(why)
	}
}
