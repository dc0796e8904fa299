package b2bua

import "turnpike.dev/turnpike/signaling/sip/message"

// forkEnded is told what came of a fork that has no dialog: its final response, or what
// stands in for it. When it was the last one, the next group is rung (RFC 3261 section 16.7).
func (c *call) forkEnded(m *message.Message, otherwise answer) {
	if c.phase != calling {
		return
	}
	if m != nil && (c.best == nil || better(m.Status(), c.best.Status())) {
		c.best = m
	}
	if c.taking != nil { // a 2xx came first, and waits: step 5 has it passed on whatever else came
		return
	}
	if c.best != nil && c.best.Status() >= 600 { // step 5: nobody else is to be asked
		c.giveUp(otherwise)
		return
	}
	if !c.rings() {
		c.ring(otherwise)
	}
}

// better orders refusals (RFC 3261 section 16.7 step 6): a 6xx decides; otherwise the
// lowest class, and in 4xx what tells the caller how to ask again.
func better(a, b int) bool {
	rank := func(status int) int {
		switch {
		case status >= 600:
			return 0
		case status == 401, status == 407, status == 415, status == 420, status == 484:
			return 399
		case status == 503:
			return 599
		}
		return status
	}
	if rank(a)/100 != rank(b)/100 {
		return rank(a)/100 < rank(b)/100
	}
	return rank(a) < rank(b)
}
