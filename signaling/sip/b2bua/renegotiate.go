package b2bua

import (
	"strconv"

	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// Requests within a dialog that may have an offer: re-INVITE, UPDATE and PRACK.

// inviteCame: a re-INVITE (RFC 3261 section 14.2).
func (l *leg) inviteCame(t *transaction.Server) {
	to := l.other()
	switch {
	case l.d.State == dialog.Early:
		l.reply(t, 491)
	case l.invited != nil: // section 14.2: the second before the first is answered
		l.reply(t, 500, func(m *message.Message) { m.Set("Retry-After", "2") })
	case l.busy() || to.busy():
		l.reply(t, 491)
	default:
		l.reliable = dialog.Reliable{}
		l.refreshCame(t)
	}
}

// updateCame: UPDATE (RFC 3311), in early dialogs too.
func (l *leg) updateCame(t *transaction.Server) {
	if to := l.other(); !to.updates && len(t.Request().Body()) == 0 && l.d.State == dialog.Confirmed {
		l.refreshHere(t)
		return
	}
	l.refreshCame(t)
}

// refreshCame passes a request on that offers a session timer, and media perhaps.
func (l *leg) refreshCame(t *transaction.Server) {
	limits := l.call.b.cfg.Policy.Session()
	granted, ok := limits.Grant(t.Request())
	if !ok {
		l.reply(t, 422, func(m *message.Message) { m.Set("Min-SE", strconv.Itoa(int(limits.Min.Seconds()))) })
		return
	}
	x := l.begin(t)
	if x == nil {
		return
	}
	x.timer = granted
	x.ready(func() {
		x.send(func(x *exchange, req *message.Message) bool {
			limits.Offer(req, x.to.least, x.to.refresher())
			return x.offer(req)
		})
	})
}

// offer puts the offer of a request into the one that is passed.
func (x *exchange) offer(req *message.Message) bool {
	text, err := []byte(nil), x.bad
	if x.body != nil && x.media().offerer() != nil { // meanwhile
		x.outOfTurn()
		return false
	}
	if x.body != nil {
		text, err = x.media().offered(x.body, x.from.name, false)
		x.from.call.b.patience.Over(&x.wait, outcome(x.media().share, err))
	}
	if err != nil {
		x.from.reply(x.server, within(err), warn(err))
		return false
	}
	if text != nil {
		x.offered = true
		req.SetBody(sdpType, text)
	}
	return true
}

// outOfTurn refuses an offer that comes while another one has no answer yet (RFC 3311 section 5.2, RFC 6337 section 3.2).
func (x *exchange) outOfTurn() {
	if by := x.media().offerer(); by != nil && *by == x.from.name {
		x.from.reply(x.server, 500, func(m *message.Message) { m.Set("Retry-After", "2") })
		return
	}
	x.from.reply(x.server, 491)
}

// prackCame: PRACK (RFC 3262 section 3). It has the other leg's numbers, and the answer to
// the offer of a response where there was none before, or an offer of its own (section 5).
func (l *leg) prackCame(t *transaction.Server) {
	m := t.Request()
	rack, err := dialog.ParseRAck(m.Get("RAck"))
	if err != nil {
		l.reply(t, 400, warn(err))
		return
	}
	theirs, cseq, _, err := l.reliable.Ack(rack)
	if err != nil {
		l.reply(t, 481)
		return
	}
	x := l.begin(t)
	if x == nil {
		return
	}
	send := func(complete func(*exchange, *message.Message) bool) {
		x.send(func(x *exchange, req *message.Message) bool {
			req.Set("RAck", dialog.RAck{RSeq: theirs, CSeq: cseq, Method: message.Invite}.String())
			return complete(x, req)
		})
	}
	if l.owesAnswer() {
		send((*exchange).answer)
	} else {
		x.ready(func() { send((*exchange).offer) })
	}
}

// answer puts the answer of a PRACK into the one that is passed.
func (x *exchange) answer(req *message.Message) bool {
	l := x.from
	text, err := l.pair.translate(x.server.Request(), l.name, true)
	if err != nil {
		l.reply(x.server, answerTo(err).status, warn(err))
		return false
	}
	if text != nil {
		req.SetBody(sdpType, text)
		if l.invited != nil {
			l.invited.answers = true
		}
	}
	return true
}

// owesAnswer: the other end's offer, in a response, has no answer yet.
func (l *leg) owesAnswer() bool { return l.pair.fork.media.waits(l.other().name) }
