package transaction

import (
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Server is a request that arrived and is to be answered. It belongs to its shard.
//
// A 2xx to an INVITE is repeated here until its ACK comes (RFC 3261 section 13.3.1.4): users send it once.
type Server struct {
	table    *table
	machine  *machine[Server]
	key      key
	mark     key
	ackKey   key
	request  *message.Message
	source   loop.Source
	hop      transport.Hop
	state    state
	answered bool
	clock    clock
	answer   []byte // the last response's bytes
	tag      string // of To, in our responses
	err      error  // of the transport

	onCancel  func(*message.Message)
	cancelled *message.Message // the CANCEL, until somebody wants to know
	onEnd     func(error)
	over      bool
	why       error
}

// serve makes the transaction of a request.
func (t *table) serve(src loop.Source, m *message.Message, k key) *Server {
	s := &Server{table: t, key: k, request: m, source: src, hop: transport.AnswerHop(src, m.Via()), tag: m.To().Tag()}
	t.servers[k] = s
	t.count.servers.Store(int64(len(t.servers)))
	timers := t.layer.timers
	if m.Method() == message.Invite {
		s.machine, s.state = &t.layer.machines.inviteServer, proceeding
		s.clock.begin(t.shard, trying, timers.Patience, timers.Patience, s.tick)
	} else {
		s.machine, s.state = &t.layer.machines.server, start
		s.clock.begin(t.shard, timers.late(), timers.long(), timers.long(), s.tick)
	}
	return s
}

// Request returns the request. It belongs to the transaction: clone what is to be changed.
func (s *Server) Request() *message.Message { return s.request }

// Source returns where the request came from.
func (s *Server) Source() loop.Source { return s.source }

// Shard returns the shard that the transaction belongs to.
func (s *Server) Shard() *shard.Shard { return s.table.shard }

// Answered reports whether there was a final response.
func (s *Server) Answered() bool { return s.answered }

// OnCancel has f called when the request was cancelled, at once when it was already. The CANCEL is
// answered; the user answers the INVITE with 487.
func (s *Server) OnCancel(f func(*message.Message)) {
	s.onCancel = f
	if f != nil && s.cancelled != nil {
		m := s.cancelled
		s.cancelled = nil
		f(m)
	}
}

// OnEnd has f called when nothing more can happen: with nil when the final response was sent and, of an
// INVITE, acknowledged; with ErrNoAck, ErrTimeout (it was never answered) or the transport's error otherwise.
func (s *Server) OnEnd(f func(error)) {
	s.onEnd = f
	if s.over && f != nil {
		f(s.why)
	}
}

// Reply makes a response to the request, changes it, and sends it. An empty reason is the standard one.
func (s *Server) Reply(status int, reason string, change ...func(*message.Message)) {
	m := message.NewResponse(s.request, status, reason)
	s.table.layer.sign(m)
	for _, f := range change {
		f(m)
	}
	s.Respond(m)
}

// Respond sends a response. One without a tag in To gets one, always the same (RFC 3261 section 8.2.6.2). What may
// not be sent any more, or not at all (RFC 4320), is left out.
func (s *Server) Respond(m *message.Message) {
	if m.Status() > 100 && m.Status() < 200 && s.request.Method() != message.Invite {
		return // RFC 4320 section 4.1
	}
	if m.Status() > 100 {
		if m.To().Tag() == "" {
			m.SetTo(m.To().WithTag(s.ownTag()))
		} else if s.tag == "" {
			s.tag = m.To().Tag()
		}
	}
	s.on(eventOf(m), m)
}

// ownTag is the tag of To in our responses.
func (s *Server) ownTag() string {
	if s.tag == "" {
		s.tag = message.NewTag()
	}
	return s.tag
}

// cancel tells the user that the request was cancelled.
func (s *Server) cancel(m *message.Message) {
	switch {
	case s.answered:
	case s.onCancel != nil:
		s.onCancel(m)
	default:
		s.cancelled = m
	}
}

func (s *Server) on(e event, m *message.Message) {
	step := s.machine[s.state][e]
	if step.do == nil {
		return
	}
	s.state = step.to
	step.do(s, m)
}

func (s *Server) tick() {
	s.on(s.clock.tick(s.table.shard.Now()), nil)
	s.clock.again(s.table.shard.Now())
}

// fail is told by the transport that something was not sent.
func (s *Server) fail(err error) {
	s.table.shard.Post(func() {
		s.err = err
		s.on(broken, nil)
	})
}
