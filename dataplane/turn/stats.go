package turn

import (
	"sync"
	"sync/atomic"

	"github.com/pion/stun/v3"
)

// Stats is what the server counted since its start.
type Stats struct {
	Requests map[string]uint64 `json:"requests"` // by method
	Answers  map[int]uint64    `json:"answers"`  // by error code; 0: success

	AnswersLimited uint64 `json:"answers_limited"` // 401, 438 and Binding answers withheld from a source
	GuessesLimited uint64 `json:"guesses_limited"` // requests ignored after too many wrong passwords
	Garbage        uint64 `json:"garbage"`         // neither STUN nor ChannelData
	BadIndications uint64 `json:"bad_indications"`
	RefusedSends   uint64 `json:"refused_sends"` // Send indications without permission
	Strangers      uint64 `json:"strangers"`     // datagrams to a relay without permission
	Unpaired       uint64 `json:"unpaired"`      // channels that the flow table had no room for
	SendErrors     uint64 `json:"send_errors"`
	StreamDropped  uint64 `json:"stream_dropped"` // datagrams to a TCP or TLS client that reads too slowly

	CameBack uint64 `json:"came_back"` // refused because they had been sent to another server already

	AcceptErrors  uint64 `json:"accept_errors"`  // TCP connections that could not be taken
	JournalErrors uint64 `json:"journal_errors"` // changes that a restart would not know
	// ConnectionsRefused counts those that were not taken, or were closed by us, by reason.
	ConnectionsRefused map[string]uint64 `json:"connections_refused"`

	Allocations int `json:"allocations"`
	Relays      int `json:"relays"`
	Streams     int `json:"streams"` // TCP and TLS connections
	Guests      int `json:"guests"`  // of these, without an allocation
}

const (
	methodSlots = 16
	codeSlots   = 600
)

type counters struct {
	requests [methodSlots]atomic.Uint64
	answers  [codeSlots]atomic.Uint64

	limited, guessesLimited, garbage, badIndications, refusedSends,
	strangers, unpaired, sendErrors, streamDropped, cameBack, acceptErrors, journalErrors atomic.Uint64

	refused [refusalReasons]atomic.Uint64
}

func (c *counters) request(m stun.Method) {
	if m < methodSlots {
		c.requests[m].Add(1)
	}
}

func (c *counters) answer(code stun.ErrorCode) {
	if code >= 0 && code < codeSlots {
		c.answers[code].Add(1)
	}
}

func (c *counters) sent(err error) {
	if err != nil {
		c.sendErrors.Add(1)
	}
}

// Stats returns the counters as they stand.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		Requests: make(map[string]uint64), Answers: make(map[int]uint64), ConnectionsRefused: make(map[string]uint64),
		AnswersLimited: c.limited.Load(), GuessesLimited: c.guessesLimited.Load(),
		Garbage: c.garbage.Load(), BadIndications: c.badIndications.Load(),
		RefusedSends: c.refusedSends.Load(), Strangers: c.strangers.Load(),
		Unpaired: c.unpaired.Load(), SendErrors: c.sendErrors.Load(),
		StreamDropped: c.streamDropped.Load(), CameBack: c.cameBack.Load(), AcceptErrors: c.acceptErrors.Load(),
		JournalErrors: c.journalErrors.Load(),
	}
	for i := range c.requests {
		if n := c.requests[i].Load(); n > 0 {
			out.Requests[stun.Method(i).String()] = n
		}
	}
	for i := range c.answers {
		if n := c.answers[i].Load(); n > 0 {
			out.Answers[i] = n
		}
	}
	for why, name := range refusalNames {
		out.ConnectionsRefused[name] = c.refused[why].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Allocations, out.Relays, out.Streams = len(s.allocations), s.relays, len(s.streams)
	out.Guests = s.guests.waiting.Len()
	return out
}

// buffer is room for one outgoing message.
type buffer struct{ bytes []byte }

// bufferPool keeps buffers between messages.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, 2048)}
}

// put keeps the buffer, unless a large message made it costly to keep.
func (p *bufferPool) put(b *buffer) {
	if cap(b.bytes) <= 8192 {
		p.pool.Put(b)
	}
}
