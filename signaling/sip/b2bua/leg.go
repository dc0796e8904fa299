package b2bua

import (
	"time"

	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// leg is one dialog of a call.
//
// What it is in the middle of is in a few fields, because that is what decides what may
// come next (RFC 3261 section 14.1, RFC 3264 section 4): an INVITE from it that has no
// final response (invited), one to it (inviting), a 2xx of ours without its ACK (await).
type leg struct {
	pair *pair // nil: a dialog that nobody wants
	call *call
	name rtp.Leg
	end  *end
	d    dialog.Dialog

	hop     transport.Hop // where the dialog began
	near    bool          // no proxy is in between: NAT can be seen
	named   *named        // where a name in its Contact or route leads
	contact message.Address

	renewing bool // an INVITE of our own, to refresh the session, has no final response
	invited  *exchange
	inviting *exchange
	await    *handshake
	reliable dialog.Reliable     // provisional responses to the INVITE from it
	acks     [2]*message.Message // the last ones to it, the latest first
	closing  bool                // our BYE waits for its response
	leaving  bool                // the BYE waits for the ACK

	updates bool // it takes UPDATE (RFC 3311 section 4)
	session dialog.Timer
	least   time.Duration // Min-SE that it asked for in a 422
	alarm   *shard.Timer
}

// handshake is a 2xx of ours that waits for its ACK.
type handshake struct {
	server *transaction.Server
	seq    uint32 // of the INVITE that it answers
	owed   bool   // the other leg waits for the answer in the ACK
	theirs uint32 // CSeq of the INVITE on the other leg
}

func (l *leg) enter() { l.call.table.legs[l.d.ID] = l }

// gone: the dialog is over, and nobody has to be told (RFC 3261 section 12.3).
func (l *leg) gone() {
	if l.d.State == dialog.Terminated {
		return
	}
	l.d.State = dialog.Terminated
	l.alarm.Stop()
	delete(l.call.table.legs, l.d.ID)
	if l.pair != nil {
		l.call.abandonOf(l)
		l.pair.closed()
	}
}

// hangUp ends the dialog: without a word where it is early, with BYE where it is confirmed
// and our 2xx was acknowledged (RFC 3261 section 15).
func (l *leg) hangUp() {
	switch {
	case l.d.State == dialog.Early:
		l.gone()
	case l.d.State == dialog.Terminated || l.closing:
	case l.await != nil:
		l.leaving = true
	default:
		if h := l.other().await; h != nil && h.owed {
			h.owed = false
			l.ack(h.theirs, nil)
		}
		l.bye(l.call.because)
	}
}

// bye sends BYE (RFC 3261 section 15.1.1). The dialog is over with its response, whatever
// that is.
func (l *leg) bye(change func(*message.Message)) {
	l.closing = true
	l.alarm.Stop()
	req := l.d.Request(message.Bye)
	change(req)
	l.call.sign(req)
	l.transmit(req, farewell{l})
}

// farewell waits for the response to a BYE.
type farewell struct{ leg *leg }

// Response ends the dialog with any final response.
func (f farewell) Response(cl *transaction.Client, m *message.Message) {
	f.leg.call.recordAt(cl.Hop(), m)
	if m.Status() >= 200 {
		f.leg.gone()
	}
}

// Failed ends it too.
func (f farewell) Failed(*transaction.Client, error) { f.leg.gone() }

// transmit sends a request within the dialog.
func (l *leg) transmit(req *message.Message, u transaction.User) *transaction.Client {
	hop := l.next()
	cl := l.call.b.cfg.Layer.Send(l.call.shard, req, hop, u)
	l.call.recordSent(hop, req)
	return cl
}

// ack acknowledges a 2xx of the leg (RFC 3261 section 13.2.2.4).
func (l *leg) ack(seq uint32, text []byte) {
	m := l.d.Ack(seq)
	l.call.sign(m)
	if text != nil {
		m.SetBody(sdpType, text)
	}
	l.acks = [2]*message.Message{m, l.acks[0]}
	l.ackAgain(seq)
}

// ackAgain sends the ACK for the INVITE with that CSeq again, because its 2xx came again. It
// reports whether there is one: if not, it is the other end's to send.
func (l *leg) ackAgain(seq uint32) bool {
	for _, m := range l.acks {
		if m == nil {
			continue
		}
		if n, _ := m.CSeq(); n == seq {
			m, hop := m.Clone(), l.next()
			l.call.b.cfg.Layer.Pass(m, hop)
			l.call.recordSent(hop, m)
			return true
		}
	}
	return false
}

// accept sends the 2xx to an INVITE from the leg, and waits for the ACK. owed: the answer is
// in the ACK, for the INVITE with CSeq theirs on the other leg.
func (l *leg) accept(s *transaction.Server, out *message.Message, theirs uint32, owed bool) {
	seq, _ := s.Request().CSeq()
	h := &handshake{server: s, seq: seq, owed: owed, theirs: theirs}
	l.await = h
	s.Respond(out)
	l.call.recordAnswer(s, out)
	s.OnEnd(func(err error) {
		if err != nil && l.await == h {
			l.unacked()
		}
	})
}

// unacked: the ACK did not come (RFC 3261 section 13.3.1.4).
func (l *leg) unacked() {
	h := l.await
	l.await = nil
	if h.owed {
		l.other().ack(h.theirs, nil)
	}
	if l.leaving {
		l.bye(l.call.because)
		return
	}
	l.call.endBy(byNoAck)
}

// acked takes an ACK; one that came before changes nothing.
func (l *leg) acked(m *message.Message) {
	h := l.await
	if seq, _ := m.CSeq(); h == nil || h.seq != seq {
		return
	}
	l.await = nil
	failed := false
	if h.owed {
		text, err := l.pair.translate(m, l.name, true)
		failed = err != nil || text == nil
		l.other().ack(h.theirs, text)
	}
	switch {
	case l.leaving:
		l.bye(l.call.because)
	case failed: // the offer has no answer (RFC 3264 section 4)
		l.call.endBy(byNoMedia)
	}
}
