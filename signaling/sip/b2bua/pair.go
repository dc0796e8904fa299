package b2bua

import (
	"slices"
	"strconv"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/sdp"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

const (
	legA = rtp.LegA
	legB = rtp.LegB

	sdpType = sdp.ContentType
)

// pair is a dialog with the caller and one with a callee, each the other's other end. As
// long as nobody has answered there may be several of a call: the caller sees each of the
// callee's dialogs as one with a tag of its own, as if a proxy had forked (RFC 3261
// section 13.2.2.4), and knows whose early media it hears.
type pair struct {
	call *call
	fork *fork
	a, b *leg
	read *described // of a response that is to be passed on next
}

// newPair makes the legs of a new dialog of a fork.
func (c *call) newPair(f *fork, m *message.Message) *pair {
	p := &pair{call: c, fork: f}
	p.a = &leg{pair: p, call: c, name: legA, end: &c.a, d: dialog.FromRequest(c.invite, message.NewTag())}
	p.a.hop = c.callerHop()
	local, err := c.b.cfg.Local(p.a.hop)
	if err != nil {
		local = c.server.Source().Local
	}
	p.a.contact = c.b.contactAt(c.called().URI.User, local, p.a.hop.Transport, isSecure(c.invite.URI()))
	p.a.reach(c.invite.Vias() == 1)
	p.a.updates = allows(c.invite, message.Update)
	p.b = c.calleeLeg(f, f.invite, f.place.Hop, m)
	p.b.pair, p.b.least = p, f.least
	p.a.enter()
	p.b.enter()
	c.pairs = append(c.pairs, p)
	return p
}

// calleeLeg makes the leg of a response to an INVITE of ours.
func (c *call) calleeLeg(f *fork, req *message.Message, hop transport.Hop, m *message.Message) *leg {
	l := &leg{call: c, name: legB, end: &f.end, d: dialog.FromResponse(req, m), hop: hop, contact: f.contact}
	l.reach(m.Has("Contact") && len(m.RecordRoutes()) == 0)
	return l
}

// strayLeg makes a leg that is only there to be ended.
func (c *call) strayLeg(f *fork, req *message.Message, hop transport.Hop, m *message.Message) *leg {
	l := c.calleeLeg(f, req, hop, m)
	l.d.Confirm(m)
	return l
}

// other returns the leg at the other end.
func (l *leg) other() *leg {
	if l == l.pair.a {
		return l.pair.b
	}
	return l.pair.a
}

// provisional passes a provisional response to an INVITE from the leg that sent the INVITE
// that req was made for. offered: that INVITE had an offer.
func (l *leg) provisional(s *transaction.Server, req, m *message.Message, offered bool) {
	if s.Answered() {
		return
	}
	from := l.other()
	out := message.NewResponse(s.Request(), m.Status(), m.Reason())
	l.answering(out, m)
	if rseq, ok := dialog.RSeq(m); ok { // RFC 3262
		seq, _ := req.CSeq()
		ours, ok := l.reliable.Pass(rseq, seq)
		if !ok {
			return
		}
		out.Set("RSeq", strconv.FormatUint(uint64(ours), 10))
		dialog.AddToken(out, "Require", "100rel")
	}
	if text, err := l.pair.translate(m, from.name, offered); err == nil && text != nil {
		out.SetBody(sdpType, text)
	}
	s.Respond(out)
	l.call.recordAnswer(s, out)
}

// provisional passes a provisional response to the call's INVITE to the caller.
func (p *pair) provisional(s *transaction.Server, req, m *message.Message, offered bool) {
	p.b.d.Refresh(m)
	if len(p.b.d.Routes) == 0 {
		p.b.d.Routes = dialog.FromResponse(req, m).Routes
	}
	p.b.updates = p.b.updates || allows(m, message.Update)
	p.a.provisional(s, req, m, offered)
}

// translate returns what the description of a message becomes for the other end; nil when
// there is none. answer: it answers an offer; otherwise it is one.
func (p *pair) translate(m *message.Message, from rtp.Leg, answer bool) ([]byte, error) {
	d, err := p.describe(m)
	if err != nil || d == nil {
		return nil, err
	}
	if answer {
		return p.fork.media.answered(d, from, p, p.call.won == p)
	}
	return p.fork.media.offered(d, from, true)
}

// answered passes the first 2xx to the caller: the pair is the call from now on.
func (c *call) answered(p *pair, m *message.Message) {
	p.b.d.Confirm(m)
	p.b.updates = allows(m, message.Update)
	c.won = p
	seq, _ := p.fork.invite.CSeq()
	text, err := c.final(p, m)
	if err != nil {
		p.b.ack(seq, nil)
		p.b.bye(c.because)
		c.won = nil
		p.fork.drop()
		c.conclude(500, byNoMedia.cause, func() { c.reply(500, "Media Cannot Be Relayed") })
		return
	}
	c.win(p)
	out := message.NewResponse(c.invite, m.Status(), m.Reason())
	p.a.answering(out, m)
	c.timer.Say(out)
	if text != nil {
		out.SetBody(sdpType, text)
	}
	p.a.d.State = dialog.Confirmed
	if p.fork.media.waits(legA) { // a 2xx without an answer: the next offer may come
		p.fork.media.refused()
	}
	owed := p.fork.media.waits(legB)
	if !owed {
		p.b.ack(seq, nil)
	}
	p.a.accept(c.server, out, seq, owed)
	p.a.refreshed(c.timer, dialog.UAS)
	p.b.refreshed(dialog.Agreed(m), dialog.UAC)
}

// final is what the caller gets of the description in the 2xx of its INVITE: the answer, or
// the offer where it made none, unless a reliable response had that (RFC 3262 section 5).
func (c *call) final(p *pair, m *message.Message) ([]byte, error) {
	had := p.fork.media.offer != nil && !p.fork.media.open
	if c.offer == nil && had {
		return nil, nil
	}
	return p.translate(m, legB, c.offer != nil)
}

// win makes a pair the call: the other forks and dialogs are over.
func (c *call) win(p *pair) {
	c.phase, c.won = up, p
	c.b.mu.Lock()
	c.media = p.fork.media
	c.b.mu.Unlock()
	for _, f := range slices.Clone(c.forks) {
		f.cancel()
	}
	for _, q := range slices.Clone(c.pairs) {
		if q != p {
			q.forget()
		}
	}
	if s := c.media.share; s != nil {
		s.confirm()
	}
	c.noteAnswer(p)
}

// forget ends a pair of which nobody has to be told: its dialogs were early.
func (p *pair) forget() {
	p.a.gone()
	p.b.gone()
}

// hangUp ends the dialogs of a pair that are not over.
func (p *pair) hangUp(cause calls.Cause) {
	for _, l := range []*leg{p.a, p.b} {
		l.hangUp()
	}
}

// closed takes a pair out of its call when both legs are over.
func (p *pair) closed() {
	if p.a.d.State != dialog.Terminated || p.b.d.State != dialog.Terminated {
		return
	}
	c := p.call
	c.pairs = slices.DeleteFunc(c.pairs, func(o *pair) bool { return o == p })
	p.fork.pairs = slices.DeleteFunc(p.fork.pairs, func(o *pair) bool { return o == p })
	c.tidy()
}
