package b2bua

import (
	"errors"

	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/places"
)

// What a call asks for and this node has not may be idle at another peer of the cluster. Then what
// asks for it is held, and tried again when the cluster has lent more or has said that there is none; only
// then is it cut or refused (LI-06, BW-05). Held are the INVITE of a fork, an offer in a request within a dialog,
// and a response whose description asks for more than the call has.

// waits reports whether other peers of the cluster may have what was refused.
func waits(err error) bool {
	var s *resources.Shortage
	return errors.As(err, &s)
}

// admit takes what the fork needs at its place, or holds it: then the place is tried again.
func (f *fork) admit() (held bool, err error) {
	c := f.call
	err = c.admit(f, ask{patient: true})
	if c.b.patience.Hold(&f.wait, c.shard, err, f.again) {
		f.media.release()
		f.state, f.client = finding, nil // who was asked before is heard no more
		return true, nil
	}
	if waits(err) {
		err = c.admit(f, ask{waited: true})
	}
	f.waited += c.b.patience.Over(&f.wait, outcome(f.media.share, err))
	return false, err
}

// again tries the place of a fork that was held.
func (f *fork) again() {
	f.places = append([]places.Place{f.place}, f.places...)
	f.attempt(unreachable)
}

// outcome is what came of something that was asked for.
func outcome(s *share, err error) patience.Outcome {
	switch {
	case err != nil:
		return patience.Refused
	case s != nil && (s.short || s.fewer):
		return patience.Less
	}
	return patience.Given
}

// early passes a provisional response on, or holds it for what its description asks for.
func (f *fork) early(p *pair, m *message.Message) {
	pass := func() { p.provisional(f.call.server, f.invite, m, f.call.offer != nil) }
	switch {
	case !f.wait.Waits():
		f.after(p, m, false, pass)
	case len(m.Body()) == 0: // else it is the one that waits again, or of another dialog, which says it again
		pass()
	}
}

// after has then called when what the description of a response asks for is here, or is not to be had.
// answer: it answers the offer of the INVITE. It reports whether the response is held.
func (f *fork) after(p *pair, m *message.Message, final bool, then func()) (held bool) {
	c := f.call
	f.media.late = nil
	err := p.reach(m, legB, c.offer != nil, final)
	if c.b.patience.Hold(&f.wait, c.shard, err, func() { f.after(p, m, final, then) }) {
		f.media.holdLate(legB, c.offer != nil)
		return true
	}
	c.b.patience.Over(&f.wait, settled(f.media.share, err))
	then()
	return false
}

// holds reports whether the 2xx of a leg's dialog waits.
func (f *fork) holds(l *leg) bool { return f.answer != nil && f.answer.To().Tag() == l.d.Remote }

// leftWaiting: the callee hangs up whose 2xx waits. It gets its ACK, and the caller hears that there is nobody.
func (f *fork) leftWaiting() {
	l := f.call.strayLeg(f, f.client.Request(), f.client.Hop(), f.answer)
	f.strays = append(f.strays, &discarded{l, f.client})
	seq, _ := f.client.Request().CSeq()
	l.ack(seq, nil)
	f.failed(unreachable)
}

// settled is what came of a response: it cannot be refused, only be cut.
func settled(s *share, err error) patience.Outcome {
	if err != nil {
		return patience.Less
	}
	return outcome(s, nil)
}

// reach asks for what the description of a response from an end asks for, before it is passed on.
func (p *pair) reach(m *message.Message, from rtp.Leg, answer, final bool) error {
	if p.fork.media.share == nil || len(m.Body()) == 0 {
		return nil
	}
	d, err := describe(m)
	if err != nil || d == nil {
		return nil // whoever passes it on says so
	}
	p.read = &described{m, d}
	switch {
	case !answer:
		return p.fork.media.share.reach(d.session)
	case p.fork.media.counts(from, p, final):
		return p.fork.media.share.reachAnswer(d.session)
	}
	return nil
}

// described is a message whose description was read.
type described struct {
	message *message.Message
	as      *description
}

// describe reads the description of a message, unless it was just read.
func (p *pair) describe(m *message.Message) (*description, error) {
	read := p.read
	if p.read = nil; read != nil && read.message == m {
		return read.as, nil
	}
	return describe(m)
}

// ready has then called when what the offer of a request asks for is here, or no other peer lends it.
func (x *exchange) ready(then func()) {
	if x.done {
		return
	}
	x.body, x.bad = describe(x.server.Request())
	if x.body != nil && x.media().offerer() != nil {
		x.outOfTurn()
		x.finish()
		return
	}
	x.try(then)
}

func (x *exchange) try(then func()) {
	c, m := x.from.call, x.media()
	if m.held == x {
		m.held = nil
	}
	if x.body == nil || m.share == nil || m.offerer() != nil { // of a response that came meanwhile: offer refuses this one
		then()
		return
	}
	if c.b.patience.Hold(&x.wait, c.shard, m.share.reach(x.body.session), func() { x.try(then) }) {
		m.held = x
		return
	}
	then()
}

// holdLate notes that the description of a response waits: nobody else may offer anything meanwhile, if it is an offer.
func (m *media) holdLate(from rtp.Leg, answer bool) {
	if !answer {
		m.late = &from
	}
}

// after is fork.after for the response to a request within a dialog.
func (x *exchange) after(m *message.Message, then func()) {
	c := x.from.call
	if x.late != nil && !x.offered {
		x.media().late = nil
	}
	err := x.from.pair.reach(m, x.to.name, x.offered, true)
	if c.b.patience.Hold(&x.wait, c.shard, err, func() { x.after(m, then) }) {
		x.late = m
		x.media().holdLate(x.to.name, x.offered)
		return
	}
	x.late = nil
	c.b.patience.Over(&x.wait, settled(x.media().share, err))
	then()
}
