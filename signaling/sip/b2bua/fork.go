package b2bua

import (
	"errors"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
)

// fork is one target that is rung: an INVITE of ours, to one place after the other until
// one says anything. It is the User of its INVITEs.
type fork struct {
	call   *call
	target dialplan.Target
	hops   int // Max-Forwards before this hop
	state  forkState

	replaces string // a dialog of whom it calls
	places   []places.Place
	place    places.Place // the one that is tried
	end      end
	contact  message.Address // ours
	tag      string          // of From
	local    message.Address // From
	invite   *message.Message
	client   *transaction.Client // of the INVITE at the place; nil: none was sent there
	sent     time.Time           // the INVITE
	orphan   bool                // the connection ended that it was sent over
	least    time.Duration       // Min-SE that a 422 asked for
	patience *shard.Timer        // timer C
	wait     patience.Wait       // for what other peers of the cluster have
	waited   time.Duration       // before its INVITE was sent
	answer   *message.Message    // the 2xx that waits so; nil: none does
	media    *media
	pairs    []*pair // its dialogs
	strays   []*discarded
}

// forkState is how far a fork is.
type forkState uint8

const (
	finding    forkState = iota // its places are looked for, or it waits for what it needs there
	trying                      // an INVITE was sent, and nothing came back
	proceeding                  // a provisional response came: it stays with this place
	accepting                   // a 2xx came, and waits for what it asks for
	cancelling                  // it is given up: a final response has to come
	ended                       // a final response came, or there is nobody to send one
)

// maxDialogs bounds the dialogs of one fork: a proxy behind it may fork too.
const maxDialogs = 16

// find looks for places.
func (f *fork) find() {
	c := f.call
	if f.state != finding || f.places != nil {
		return
	}
	c.b.cfg.Places.Find(c.shard, &f.target, func(all []places.Place, err error) {
		if f.state != finding {
			return
		}
		if err != nil || len(all) == 0 {
			f.failed(unreachable)
			return
		}
		f.places = all
		f.begin()
	})
}

// begin makes what all INVITEs of the fork share: Call-ID and From.
func (f *fork) begin() {
	f.tag = message.NewTag()
	id := message.NewCallID()
	for f.call.b.cfg.Group.Of(id) != f.call.shard {
		id = message.NewCallID()
	}
	f.invite = message.NewRequest(message.Invite, message.URI{})
	f.invite.SetCallID(id)
	f.attempt(unreachable)
}

// attempt sends the INVITE to the next place (RFC 3263 section 4.3); when there is none,
// the fork has failed.
func (f *fork) attempt(otherwise answer) {
	for len(f.places) > 0 {
		f.place, f.places = f.places[0], f.places[1:]
		if f.send() {
			return
		}
	}
	f.failed(otherwise)
}

// send sends the INVITE to the fork's place. Not to be able to is like no answer.
func (f *fork) send() bool {
	c := f.call
	local, err := c.b.cfg.Local(f.place.Hop)
	if err != nil {
		return false
	}
	f.end = c.b.calleeEnd(&f.place, local.Addr())
	f.local = c.caller(&f.end).WithTag(f.tag)
	f.contact = c.b.contactAt(f.local.URI.User, local, f.place.Hop.Transport, isSecure(f.place.URI))
	if f.media != nil {
		f.media.release()
	}
	f.media = c.openMedia(&f.end)
	held, err := f.admit()
	if held {
		return true
	}
	if err != nil {
		f.media.release()
		a := answerTo(err)
		c.short = &a
		f.failed(a)
		return true
	}
	req, err := f.build()
	if err != nil {
		f.media.release()
		f.failed(answerTo(err))
		return true
	}
	f.invite, f.state, f.sent, f.orphan = req, trying, time.Now(), false
	f.client = c.b.cfg.Layer.Send(c.shard, req, f.place.Hop, f)
	c.recordSent(f.place.Hop, req)
	return true
}

// build makes the INVITE for the fork's place.
func (f *fork) build() (*message.Message, error) {
	c := f.call
	req := message.NewRequest(message.Invite, f.place.URI)
	req.SetMaxForwards(max(f.hops-1, 0))
	req.SetFrom(f.local)
	req.SetTo(c.called())
	req.SetCallID(f.invite.CallID())
	seq, _ := f.invite.CSeq()
	req.SetCSeq(seq+1, message.Invite)
	req.SetContacts(f.contact)
	if len(f.place.Routes) > 0 {
		req.SetRoutes(f.place.Routes...)
	}
	c.dress(req, c.invite, &c.a, &f.end)
	if f.place.Peer != 0 {
		c.noteFor(f).Put(req)
	}
	if f.replaces != "" {
		req.Set("Replaces", f.replaces)
	} else if v := c.invite.Get("Replaces"); v != "" { // a dialog that is not ours
		req.Set("Replaces", v)
	}
	c.b.cfg.Policy.Session().Offer(req, f.least, dialog.Nobody)
	if c.offer == nil {
		return req, nil
	}
	text, err := f.media.first(c.offer)
	if err == nil {
		req.SetBody(sdpType, text)
	}
	return req, err
}

// Response takes what the fork's INVITE is answered. The states are those of a UAC core
// (RFC 3261 section 13.2.2); what a transaction repeats or an earlier one brings late is
// told apart by its client.
func (f *fork) Response(cl *transaction.Client, m *message.Message) {
	f.call.recordAt(cl.Hop(), m)
	class := m.Status() / 100
	switch {
	case class == 2 && f.known(cl, m): // section 13.2.2.4: the 2xx again
	case class == 2 && cl == f.client && f.state < accepting && f.call.phase == calling && f.call.taking == nil:
		f.accepted(m)
	case class == 2: // it crossed a CANCEL, or another fork was quicker
		f.discard(cl, m)
		f.end2xx(cl)
	case cl != f.client || f.state == ended: // of a place that was given up
	case class == 1 && f.state < accepting: // section 13.2.2.1
		f.provisional(m)
	case class == 1:
	case f.state == cancelling: // 487 as a rule (section 9.1)
		f.finish()
	default: // section 13.2.2.3
		f.refused(m)
	}
}

// Failed: there will be no final response (RFC 3261 section 8.1.3.1).
func (f *fork) Failed(cl *transaction.Client, err error) {
	switch {
	case cl != f.client || f.state == ended || f.state == accepting:
	case f.state == cancelling:
		f.finish()
	case f.state == trying: // RFC 3263 section 4.3
		f.attempt(answerOf(err))
	default:
		f.failed(answerOf(err))
	}
}

// answerOf is what the caller is told of a request that failed.
func answerOf(err error) answer {
	if errors.Is(err, transaction.ErrTimeout) {
		return timedOut
	}
	return unreachable
}

// provisional passes a provisional response on, and gives the callee more time (RFC 3261
// section 16.8).
func (f *fork) provisional(m *message.Message) {
	f.state = proceeding
	f.heard(m)
	if m.Status() == 100 {
		return
	}
	if f.patience == nil {
		f.patience = f.call.shard.After(timerC, f.tooLong)
	} else {
		f.patience.Reset(timerC)
	}
	if f.call.entry != nil {
		f.call.entry.Ringing()
	}
	if p := f.pair(m); p != nil {
		f.early(p, m)
	}
}

// tooLong is timer C: the callee rang without a word for too long.
func (f *fork) tooLong() {
	if f.state != proceeding {
		return
	}
	c := f.call
	f.cancel()
	c.forkEnded(nil, timedOut)
}

// pair returns the pair of the dialog that a response is in, a new one where there is none
// yet (RFC 3261 section 12.1); nil when there are too many.
func (f *fork) pair(m *message.Message) *pair {
	tag := m.To().Tag()
	for _, p := range f.pairs {
		if p.b.d.Remote == tag {
			return p
		}
	}
	if len(f.pairs) == maxDialogs {
		return nil
	}
	p := f.call.newPair(f, m)
	f.pairs = append(f.pairs, p)
	return p
}

// known answers a 2xx that came before with its ACK, if that is known already.
func (f *fork) known(cl *transaction.Client, m *message.Message) bool {
	tag := m.To().Tag()
	seq, _ := cl.Request().CSeq()
	for _, d := range f.strays {
		if d.leg.d.Remote == tag && d.client == cl {
			d.leg.ackAgain(seq)
			return true
		}
	}
	if f.answer != nil && f.answer.To().Tag() == tag && cl == f.client {
		return true // it waits
	}
	if w := f.call.won; w != nil && w.fork == f && w.b.d.Remote == tag && cl == f.client {
		w.b.ackAgain(seq)
		return true
	}
	return false
}

// accepted is the first 2xx of the call: it wins (RFC 3261 section 13.2.2.4).
func (f *fork) accepted(m *message.Message) {
	p := f.pair(m)
	if p == nil {
		f.discard(f.client, m)
		f.failed(unreachable)
		return
	}
	f.heard(m)
	f.call.b.patience.Over(&f.wait, patience.GivenUp) // a provisional response
	if !f.after(p, m, true, func() { f.accept(p, m) }) {
		return
	}
	f.patience.Stop()
	f.state, f.answer, f.call.taking = accepting, m, f
}

func (f *fork) accept(p *pair, m *message.Message) {
	f.leave()
	f.call.answered(p, m)
}

// refused takes a final response that is no 2xx: another place, another interval, or the
// end of the fork.
func (f *fork) refused(m *message.Message) {
	f.call.b.patience.Over(&f.wait, patience.GivenUp)           // a provisional response
	if least, ok := dialog.TooSmall(m); ok && f.least < least { // RFC 4028 section 7.3
		f.least = least
		if f.send() {
			return
		}
	}
	if f.state == trying && f.gone(m) {
		otherwise := unreachable
		if m.Status() == 404 {
			otherwise = notFound
		}
		f.attempt(otherwise)
		return
	}
	c := f.call
	f.finish()
	c.forkEnded(m, unreachable)
}

// failed ends a fork that has no answer of its own.
func (f *fork) failed(a answer) {
	c := f.call
	f.finish()
	c.forkEnded(nil, a)
}

// cancel gives the fork up. Its INVITE still gets a final response (RFC 3261 section 9.1).
func (f *fork) cancel() {
	switch f.state {
	case trying, proceeding:
		f.state = cancelling
		f.patience.Stop()
		f.call.b.patience.Over(&f.wait, patience.GivenUp)
		f.client.Cancel(f.cancelled)
		f.drop()
	case accepting:
		f.discard(f.client, f.answer)
		f.finish()
	case finding:
		f.finish()
	}
}

// cancelled completes the CANCEL.
func (f *fork) cancelled(m *message.Message) {
	f.call.because(m)
	f.call.sign(m)
	f.call.recordSent(f.client.Hop(), m)
}

// leave takes the fork out of its call's.
func (f *fork) leave() {
	f.state = ended
	f.patience.Stop()
	f.call.b.patience.Over(&f.wait, patience.GivenUp)
	if f.answer = nil; f.call.taking == f {
		f.call.taking = nil
	}
	f.call.forks = slices.DeleteFunc(f.call.forks, func(o *fork) bool { return o == f })
}

// finish ends a fork that did not win: its dialogs are over with its final response (RFC
// 3261 section 12.3).
func (f *fork) finish() {
	f.leave()
	f.drop()
	f.call.tidy()
}

// drop forgets early dialogs and the media of a fork that does not win.
func (f *fork) drop() {
	for _, p := range slices.Clone(f.pairs) {
		if f.call.won != p {
			p.forget()
		}
	}
	if f.media != nil && f.call.media != f.media {
		f.media.release()
	}
	f.call.shrink()
}
