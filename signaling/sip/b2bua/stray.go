package b2bua

import (
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// discarded is a dialog that nobody wants: it is acknowledged and ended.
type discarded struct {
	leg    *leg
	client *transaction.Client
}

// discard ends the dialog of a 2xx that came too late (RFC 3261 section 13.2.2.4): ACK and
// BYE.
func (f *fork) discard(cl *transaction.Client, m *message.Message) {
	if len(f.strays) == maxDialogs {
		return
	}
	l := f.call.strayLeg(f, cl.Request(), cl.Hop(), m)
	f.strays = append(f.strays, &discarded{l, cl})
	seq, _ := cl.Request().CSeq()
	l.ack(seq, nil)
	l.bye(f.call.because)
}

// end2xx ends a fork whose final response was a 2xx that nobody wants: it waited for one, or another fork's waits.
func (f *fork) end2xx(cl *transaction.Client) {
	if cl == f.client && (f.state == cancelling || f.state < accepting && f.call.taking != nil) {
		f.finish()
	}
}
