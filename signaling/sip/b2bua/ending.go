package b2bua

import (
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// hungUp: the end of a leg said BYE, and has its answer.
func (c *call) hungUp(l *leg, bye *message.Message) {
	by := calls.ByCaller
	if l.name == legB {
		by = calls.ByCallee
	}
	c.passReason(bye)
	l.await = nil
	if c.phase == calling { // an early dialog: RFC 3261 section 15
		c.conclude(487, calls.Cause{Kind: calls.Cancelled, By: by}, func() { c.reply(487, "") })
		return
	}
	if h := l.other().await; h != nil && h.owed { // its offer needs no answer any more
		h.owed = false
		l.ack(h.theirs, nil)
	}
	l.gone()
	if c.phase == up {
		c.phase = over
		c.close(calls.Cause{Kind: calls.Completed, By: by, Status: 200})
	}
}

// passReason remembers why a call ends, for whoever is told (RFC 3326).
func (c *call) passReason(m *message.Message) {
	if all := m.All("Reason"); len(all) > 0 {
		c.reasons = all
	}
}

// because puts the reason of the end into a request that ends something.
func (c *call) because(m *message.Message) {
	switch {
	case len(c.reasons) > 0:
		for _, r := range c.reasons {
			m.Add("Reason", r)
		}
	case c.won != nil && c.phase == up: // section 3.1 of RFC 3326: another fork was quicker
		m.Set("Reason", `SIP;cause=200;text="Call completed elsewhere"`)
	}
}

// alive reports whether a leg can still be spoken to.
func (l *leg) alive() bool {
	return l.d.State == dialog.Confirmed && !l.closing && !l.leaving
}
