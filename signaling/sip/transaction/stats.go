package transaction

// Stats counts since the start. Servers, Clients and Ended are of the moment.
type Stats struct {
	Servers, Clients, Ended int
	Received, Sent          uint64 // messages
	Repeated, Resent        uint64 // requests that came again, messages that were sent again
	Refused                 uint64 // for want of room
	Merged                  uint64 // 482
	Timeouts, Broken        uint64 // transactions that ended so
	Acks                    uint64 // of 2xx
}

// Stats returns the counters. It may be called on any goroutine.
func (l *Layer) Stats() Stats {
	var s Stats
	for _, t := range l.tables {
		c := &t.count
		s.Servers += int(c.servers.Load())
		s.Clients += int(c.clients.Load())
		s.Ended += int(c.records.Load())
		s.Received += c.received.Load()
		s.Sent += c.sent.Load()
		s.Repeated += c.repeated.Load()
		s.Resent += c.resent.Load()
		s.Refused += c.refused.Load()
		s.Merged += c.merged.Load()
		s.Timeouts += c.timeouts.Load()
		s.Broken += c.broken.Load()
		s.Acks += c.ack.Load()
	}
	return s
}
