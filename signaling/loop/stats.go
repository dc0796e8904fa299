package loop

import "sync/atomic"

// Stats counts since the start. Open is of the moment.
type Stats struct {
	Open            int
	Accepted        uint64
	Dialled         uint64
	Messages        [3]uint64 // by Transport
	RefusedFull     uint64    // ErrTooMany and ErrTooManyOfSource
	RefusedRate     uint64    // datagrams over the rate of their source
	OverRate        uint64    // messages of streams over it, left to the handler
	Panics          uint64    // messages that the handler panicked at
	NoDescriptors   uint64    // connections not taken because the process had no descriptor left
	ClosedMalformed uint64    // the framer could not go on, or the message was too large
	ClosedSlow      uint64    // ErrSlowMessage, ErrSlowHandshake, ErrIdle
	ClosedReader    uint64    // ErrSlowReader
	Handshakes      uint64    // failed ones
	SendFailed      uint64    // datagrams that the kernel did not take
}

type counters struct {
	accepted, dialled                          atomic.Uint64
	messages                                   [3]atomic.Uint64
	refusedFull, refusedRate, overRate, panics atomic.Uint64
	noDescriptors                              atomic.Uint64
	closedMalformed, closedSlow, closedReader  atomic.Uint64
	handshakes, sendFailed                     atomic.Uint64
}

// Stats returns the counters.
func (l *Loop) Stats() Stats {
	c := &l.stats
	s := Stats{
		Open:            l.admit.count(),
		Accepted:        c.accepted.Load(),
		Dialled:         c.dialled.Load(),
		RefusedFull:     c.refusedFull.Load(),
		RefusedRate:     c.refusedRate.Load(),
		OverRate:        c.overRate.Load(),
		Panics:          c.panics.Load(),
		NoDescriptors:   c.noDescriptors.Load(),
		ClosedMalformed: c.closedMalformed.Load(),
		ClosedSlow:      c.closedSlow.Load(),
		ClosedReader:    c.closedReader.Load(),
		Handshakes:      c.handshakes.Load(),
		SendFailed:      c.sendFailed.Load(),
	}
	for i := range s.Messages {
		s.Messages[i] = c.messages[i].Load()
	}
	return s
}
