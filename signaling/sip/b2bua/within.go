package b2bua

import (
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// request takes a request within the leg's dialog (RFC 3261 section 12.2.2).
func (l *leg) request(t *transaction.Server) {
	m := t.Request()
	l.record(t.Source(), m)
	l.moved(t)
	switch {
	case m.Method() == message.Bye && (l.closing || l.d.State == dialog.Terminated): // they crossed
		l.reply(t, 200)
		l.gone()
	case l.closing || l.leaving || l.d.State == dialog.Terminated:
		l.reply(t, 481)
	case hopsOf(m) == 0: // section 16.3 step 3
		l.reply(t, 483)
	case l.d.Receive(m) != nil:
		l.reply(t, 500)
	default:
		l.take(t, m)
	}
}

// take does what a request in order asks for, by its method.
func (l *leg) take(t *transaction.Server, m *message.Message) {
	switch m.Method() {
	case message.Bye:
		l.byeCame(t)
	case message.Invite:
		l.inviteCame(t)
	case message.Prack:
		l.prackCame(t)
	case message.Update:
		l.updateCame(t)
	case message.Refer:
		l.referCame(t)
	case message.Subscribe, message.Notify, message.Info, message.MessageMethod, message.Options:
		l.pass(t, nil)
	default:
		l.reply(t, 405, func(m *message.Message) { m.Set("Allow", allow) })
	}
}

// reply answers a request of the leg by this node itself.
func (l *leg) reply(t *transaction.Server, status int, change ...func(*message.Message)) {
	out := message.NewResponse(t.Request(), status, "")
	for _, f := range change {
		f(out)
	}
	l.call.sign(out)
	t.Respond(out)
	l.call.recordAnswer(t, out)
}

// byeCame: the leg's end hangs up (RFC 3261 section 15.1.2).
func (l *leg) byeCame(t *transaction.Server) {
	held := l.name == legB && l.pair.fork.holds(l)
	if l.d.State == dialog.Early && l.name == legB && !held { // section 15: not before its 2xx
		l.reply(t, 481)
		return
	}
	l.reply(t, 200)
	if held {
		l.pair.fork.leftWaiting()
		return
	}
	l.call.hungUp(l, t.Request())
}
