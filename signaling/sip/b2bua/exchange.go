package b2bua

import (
	"slices"

	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// exchange is a request within a dialog on its way from one leg to the other, and its
// response on the way back. It is the User of the request that it sends.
type exchange struct {
	from, to *leg
	server   *transaction.Server
	client   *transaction.Client
	offered  bool // the request has an offer
	answers  bool // INVITE: the offer came in a reliable response, and the answer in its PRACK
	done     bool // the request is answered
	timer    dialog.Session

	body *description     // of the request; nil: it has none
	bad  error            // it cannot be read
	wait patience.Wait    // for what other peers of the cluster have: of the offer, or
	late *message.Message // of the response; nil: none waits
}

// maxPending bounds the requests of a call that wait for an answer.
const maxPending = 32

// pass sends a request on to the other leg. change, which may be nil, completes it.
func (l *leg) pass(t *transaction.Server, change func(*exchange, *message.Message) bool) {
	if x := l.begin(t); x != nil {
		x.send(change)
	}
}

// begin enters a request that is to be passed on. nil: there are too many, and it was answered.
func (l *leg) begin(t *transaction.Server) *exchange {
	m := t.Request()
	if len(l.call.pending) >= maxPending {
		l.reply(t, 503, func(m *message.Message) { m.Set("Retry-After", retryAfter) })
		return nil
	}
	x := &exchange{from: l, to: l.other(), server: t}
	if targets(m.Method()) {
		l.d.Refresh(m)
		l.lookUp()
	}
	l.call.pending = append(l.call.pending, x)
	if m.Method() == message.Invite {
		l.invited, x.to.inviting = x, x
		t.OnCancel(x.cancelled)
	}
	return x
}

// send passes the request on, unless it was answered meanwhile. Where change says no, it has answered it.
func (x *exchange) send(change func(*exchange, *message.Message) bool) {
	if x.done {
		return
	}
	m := x.server.Request()
	req := x.to.d.Request(m.Method())
	req.SetMaxForwards(hopsOf(m) - 1)
	x.from.call.dress(req, m, x.from.end, x.to.end)
	if targets(m.Method()) {
		req.SetContacts(x.to.contact)
	}
	if change != nil && !change(x, req) {
		x.finish()
		return
	}
	x.client = x.to.transmit(req, x)
}

// cancelled: whoever sent the INVITE gives it up (RFC 3261 section 9.2). Of one that waits nobody was told.
func (x *exchange) cancelled(*message.Message) {
	if x.client != nil {
		x.client.Cancel(nil)
		return
	}
	x.finish()
	x.from.reply(x.server, 487)
}

// targets are the methods that say where the sender is (RFC 3261 section 12.2, RFC 3311,
// 3515, 6665).
func targets(m message.Method) bool {
	switch m {
	case message.Invite, message.Update, message.Subscribe, message.Notify, message.Refer:
		return true
	}
	return false
}

// Response passes a response back.
func (x *exchange) Response(cl *transaction.Client, m *message.Message) {
	x.from.call.recordAt(cl.Hop(), m)
	invite := x.server.Request().Method() == message.Invite
	switch status := m.Status(); {
	case status < 200:
		if invite && status > 100 && !x.done {
			x.from.provisional(x.server, cl.Request(), m, x.offered)
		}
	case status < 300 && invite:
		x.accepted(cl, m)
	case x.done:
	case status < 300 && x.offered:
		x.after(m, func() { x.relay(m) })
	default:
		x.relay(m)
	}
}

// Failed: there will be no response (RFC 3261 section 12.2.1.2).
func (x *exchange) Failed(_ *transaction.Client, err error) {
	if x.done {
		return
	}
	x.finish()
	if x.offered {
		x.media().refused()
	}
	x.from.reply(x.server, answerOf(err).status)
	if method := x.server.Request().Method(); method == message.Invite || method == message.Update {
		x.from.call.endBy(byLoss)
	}
}

func (x *exchange) media() *media { return x.from.pair.fork.media }

// relay passes a final response back that is no 2xx of an INVITE.
func (x *exchange) relay(m *message.Message) {
	x.finish()
	l := x.from
	out := message.NewResponse(x.server.Request(), m.Status(), m.Reason())
	l.answering(out, m)
	status := m.Status()
	switch {
	case x.to.learn(m): // our interval was too short for it, not the sender's: that one may try again
		if x.offered {
			x.media().refused()
		}
		l.reply(x.server, 491)
		return
	case status >= 300:
		if x.offered {
			x.media().refused()
		}
	default:
		x.to.d.Refresh(m)
		x.to.lookUp()
		if x.server.Request().Method() == message.Update {
			x.agreed(out, m)
		}
		if !x.translate(out, m) {
			return
		}
		x.unanswered()
	}
	x.server.Respond(out)
	l.call.recordAnswer(x.server, out)
	if lost(x.server.Request().Method(), status) {
		l.call.endBy(byLoss)
	}
}

// translate puts the description of a response into the one that is passed; one that
// cannot be ends the call.
func (x *exchange) translate(out, m *message.Message) bool {
	text, err := []byte(nil), error(nil)
	if x.offered {
		text, err = x.from.pair.translate(m, x.to.name, true)
	} else if x.server.Request().Method() != message.Prack && x.server.Request().Method() != message.Update {
		copyBody(out, m)
	}
	if err != nil {
		x.from.reply(x.server, 500)
		x.from.call.endBy(byNoMedia)
		return false
	}
	if text != nil {
		out.SetBody(sdpType, text)
	}
	return true
}

// unanswered takes an offer back that the 2xx of its request had no answer to.
func (x *exchange) unanswered() {
	if x.offered && x.media().waits(x.from.name) {
		x.media().refused()
	}
}

// lost: the end that answers so does not know the dialog (RFC 3261 section 12.2.1.2, RFC
// 5057 section 5.1).
func lost(m message.Method, status int) bool {
	return (status == 481 || status == 408) && (m == message.Invite || m == message.Update)
}

// finish takes the exchange out of what is going on.
func (x *exchange) finish() {
	x.done = true
	c := x.from.call
	c.b.patience.Over(&x.wait, patience.GivenUp)
	if m := x.media(); m.held == x {
		m.held = nil
	}
	c.pending = slices.DeleteFunc(c.pending, func(o *exchange) bool { return o == x })
	if x.from.invited == x {
		x.from.invited = nil
	}
	if x.to.inviting == x {
		x.to.inviting = nil
	}
}

// abandon answers a request whose call is over (RFC 3261 section 15.1.2). What its own
// request is answered does not matter any more.
func (x *exchange) abandon() {
	if x.done {
		return
	}
	x.finish()
	x.from.reply(x.server, 487)
	if x.late != nil && x.late.Status() < 300 && x.server.Request().Method() == message.Invite {
		seq, _ := x.client.Request().CSeq()
		x.to.ack(seq, nil)
	}
	if x.client != nil {
		x.client.Cancel(nil)
	}
}

// abandonOf gives up what goes on with a leg.
func (c *call) abandonOf(l *leg) {
	for _, x := range slices.Clone(c.pending) {
		if x.from == l || x.to == l {
			x.abandon()
		}
	}
}

// accepted passes the 2xx of a re-INVITE back (RFC 3261 section 14).
func (x *exchange) accepted(cl *transaction.Client, m *message.Message) {
	seq, _ := cl.Request().CSeq()
	switch {
	case x.to.ackAgain(seq), x.late != nil && !x.done: // the 2xx came again
		return
	case x.done && x.from.await != nil && x.from.await.owed: // and its ACK is the other end's to send
		return
	case x.done: // the call is over, or the INVITE was given up
		x.to.ack(seq, nil)
		return
	case !x.offered && x.answers:
		x.accept(seq, m)
	default:
		x.after(m, func() { x.accept(seq, m) })
	}
}

func (x *exchange) accept(seq uint32, m *message.Message) {
	l := x.from
	x.finish()
	x.to.d.Refresh(m)
	x.to.lookUp()
	out := message.NewResponse(x.server.Request(), m.Status(), m.Reason())
	l.answering(out, m)
	x.agreed(out, m)
	text, err := x.final(m)
	if err != nil {
		x.to.ack(seq, nil)
		l.reply(x.server, 500)
		l.call.endBy(byNoMedia)
		return
	}
	if text != nil {
		out.SetBody(sdpType, text)
	}
	x.unanswered()
	owed := x.media().waits(x.to.name)
	if !owed {
		x.to.ack(seq, nil)
	}
	l.accept(x.server, out, seq, owed)
}

// final is what the description in the 2xx of a re-INVITE becomes; see call.final.
func (x *exchange) final(m *message.Message) ([]byte, error) {
	if !x.offered && x.answers {
		return nil, nil
	}
	return x.from.pair.translate(m, x.to.name, x.offered)
}

// agreed answers the session timer of a request, and takes what the other end says of ours
// (RFC 4028 sections 7.2 and 9).
func (x *exchange) agreed(out, m *message.Message) {
	x.timer.Say(out)
	x.from.refreshed(x.timer, dialog.UAS)
	x.to.refreshed(dialog.Agreed(m), dialog.UAC)
}
