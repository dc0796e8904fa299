package transport

import (
	"sync/atomic"

	"turnpike.dev/turnpike/signaling/loop"
)

// Stats counts since the start.
type Stats struct {
	Loop       loop.Stats
	Sent       [3]uint64 // messages, by loop.Transport
	SendFailed uint64    // that were told to whoever sent them
	DialFailed uint64    // connections that could not be opened
	Bad        uint64    // messages that are none (RFC 4475)
	Refused    uint64    // requests answered here
	OverRate   uint64    // of them: because their source sends too much
	Scanners   uint64    // requests dropped for their User-Agent
	KeepAlives uint64    // datagrams that only keep a NAT open

	Requests map[string]uint64 // good ones that came in, by method; the rest is "other"
	Answers  map[string]uint64 // responses to be sent, by class: 2xx
}

type counters struct {
	sent                   [3]atomic.Uint64
	sendFailed, dialFailed atomic.Uint64
	bad, refused, overRate atomic.Uint64
	scanners, keepAlives   atomic.Uint64
	traffic                traffic
}

// Stats returns the counters.
func (t *Transport) Stats() Stats {
	c := &t.stats
	s := Stats{
		Loop: t.loop.Stats(), SendFailed: c.sendFailed.Load(), DialFailed: c.dialFailed.Load(), Bad: c.bad.Load(),
		Refused: c.refused.Load(), OverRate: c.overRate.Load(), Scanners: c.scanners.Load(), KeepAlives: c.keepAlives.Load(),
	}
	s.Requests, s.Answers = c.traffic.byMethod(), c.traffic.byClass()
	for i := range s.Sent {
		s.Sent[i] = c.sent[i].Load()
	}
	return s
}
