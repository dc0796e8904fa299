package b2bua

import (
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/sip/sdp"
)

// share is what the media of one fork has of its call's grant.
//
// An offer changes nothing until its answer (RFC 3264 section 8), but more must be there
// before anybody is told of it: so what an offer asks for is taken beside what is in
// force, becomes it with the answer, and is given back when the offer is refused.
type share struct {
	call  *call
	media *media
	way   resources.Way // Asked is what is taken or was asked for

	kbps    uint32 // granted
	short   bool   // less than was asked for
	fewer   bool   // of the last offer: streams were left out
	policed bool   // the kernel holds the ends to it (BW-06)
	streams int    // m-lines with a port

	agreed *agreement   // by the last answer; nil: there was none
	before *agreement   // what an offer that is open would change; nil: nothing
	ahead  *agreement   // what there was before an offer was asked for that is to be passed on next; nil: none was
	offer  *sdp.Session // the last one, as it was asked for
	sought *sdp.Session // peers of the cluster were asked for what it asks for, and it is to be passed on next; nil: none was
	shown  uint32       // kbps that the event log was told
}

// agreement is what an offer and its answer come to.
type agreement struct {
	asked   uint32
	streams int
	live    []bool // by m-line
	kbps    uint32 // granted, where it may be needed again
}

// asks is how many kbps a description asks for. Where there is media that it says nothing
// of, that is at least the default, and what the call has already.
func (s *share) asks(d *sdp.Session) uint32 {
	kbps, all := d.Asked()
	if !all {
		kbps = max(kbps, s.call.b.cfg.Policy.DefaultKbps())
		if s.agreed != nil {
			kbps = max(kbps, s.kbps)
		}
	}
	return kbps
}

// take asks for so much in place of what the share has.
func (s *share) take(asked uint32, streams int, how ask) error {
	a, n := s.way.Asked, s.streams
	s.way.Asked, s.streams = asked, streams
	err := s.call.regrant(how)
	if err != nil {
		s.way.Asked, s.streams = a, n
	}
	return err
}

// offered takes what a new offer asks for, and returns what of it the other end may be
// told. What a request offers is refused where there is not enough; a response cannot be
// (firm), and its offer is cut to what the call has.
func (s *share) offered(d *sdp.Session, firm bool) (*sdp.Session, error) {
	s.connect()
	s.offer, s.before, s.fewer = d, nil, false
	if s.keeps(d) {
		return s.limit(d), nil
	}
	before := s.ahead
	if s.ahead = nil; before == nil {
		before = s.now()
	}
	waited := s.wasSought(d)
	err := s.want(d, ask{waited: waited})
	if err == nil {
		s.before = before
		return s.limit(d), nil
	}
	if fewer := s.without(d); fewer != d && s.ports(fewer) > 0 {
		if waited {
			s.sought = fewer
		}
		session, err := s.offered(fewer, firm)
		s.fewer = true
		return session, err
	}
	if !firm {
		return nil, err
	}
	return s.limit(d), nil
}

// want asks for what an offer asks for, and no less than there is.
func (s *share) want(d *sdp.Session, how ask) error {
	asked := max(s.asks(d), s.way.Asked)
	how.anew = s.short || asked > s.way.Asked
	return s.take(asked, max(s.ports(d), s.streams), how)
}

// wasSought says, once, whether a description has waited that is passed on.
func (s *share) wasSought(d *sdp.Session) bool {
	was := s.sought == d
	s.sought = nil
	return was
}

// keeps reports whether an offer holds the call: that keeps the grant.
func (s *share) keeps(d *sdp.Session) bool {
	return s.agreed != nil && d.Held() && s.ports(d) <= s.streams
}

// now is what the share has.
func (s *share) now() *agreement {
	return &agreement{asked: s.way.Asked, streams: s.streams, kbps: s.kbps}
}

// reach asks for what an offer asks for, before it is passed on (offered). An error that waits: other peers of the cluster
// may have it. Any other is decided when the offer is passed on.
func (s *share) reach(d *sdp.Session) error {
	s.connect()
	if s.ahead = nil; s.keeps(d) { // one that was asked for and not passed on is of the past
		return nil
	}
	before := s.now()
	s.sought = d
	err := s.want(d, ask{patient: true})
	if err == nil {
		s.ahead = before
	}
	return err
}

// reachAnswer is reach for an answer, which may ask for more where the offer said nothing.
func (s *share) reachAnswer(d *sdp.Session) error {
	if told, _ := d.Asked(); s.offer == nil || told <= s.way.Asked {
		return nil
	}
	s.connect()
	s.sought = d
	return s.take(max(s.settles(d).asked, s.way.Asked), s.streams, ask{anew: true, patient: true})
}

// settles is what an answer leaves of the offer.
func (s *share) settles(d *sdp.Session) *agreement {
	live := s.alive(d)
	kept := s.offer.Keep(func(i int) bool { return i < len(live) && live[i] })
	now := &agreement{asked: s.asks(kept), streams: count(live), live: live}
	if _, all := kept.Asked(); !all { // the offerer did not say; whoever answers may
		told, _ := d.Asked()
		now.asked = max(now.asked, told)
	}
	return now
}

// without leaves out the streams that the call does not have yet.
func (s *share) without(d *sdp.Session) *sdp.Session {
	return d.Keep(func(i int) bool { return s.agreed != nil && i < len(s.agreed.live) && s.agreed.live[i] })
}

// answer puts in force what an answer leaves of the offer, and returns what of it the
// offerer may be told. Before the call is set up nothing is given back: another answer may
// come (RFC 3261 section 13.2.2.4).
//
// One that does not count, because it came before or from another dialog of the fork, only
// tells no more than there is.
func (s *share) answer(d *sdp.Session, counts bool) *sdp.Session {
	s.connect()
	if s.offer == nil || !counts {
		return s.limit(d)
	}
	took := s.before != nil && (s.before.asked != s.way.Asked || s.before.streams != s.streams)
	s.before = nil
	if s.agreed != nil && !took && (s.offer.Held() || d.Held()) && s.ports(d) <= s.streams {
		return s.limit(d)
	}
	now, waited := s.settles(d), s.wasSought(d)
	if now.asked > s.way.Asked && s.take(now.asked, s.streams, ask{anew: true, waited: waited}) != nil {
		now.asked = s.way.Asked
	}
	s.agreed = now
	if s.call.won != nil {
		s.confirm()
	}
	return s.limit(d)
}

// connect moves what a call has that is set up out of the Cluster Subzone, as it is: before more is
// asked for, which may be refused.
func (s *share) connect() {
	if c := s.call; c.won != nil && c.won.fork.media.share == s {
		c.connectPeers(s)
		_ = s.take(s.way.Asked, s.streams, ask{}) // it has that
	}
}

// confirm puts the agreement in force in a call that is set up.
func (s *share) confirm() {
	s.call.connectPeers(s)
	asked, streams := s.way.Asked, s.streams
	if a := s.agreed; a != nil {
		asked, streams = a.asked, a.streams
	}
	_ = s.take(asked, streams, ask{}) // no more than it has
	if s.shown != 0 && s.shown != s.kbps {
		s.call.noteChange(s)
	}
	s.shown = s.kbps
}

// refused gives back what an offer took that was refused.
func (s *share) refused() {
	a := s.before
	if s.before = nil; a == nil {
		return
	}
	asked, short := a.asked, s.short
	if s.kbps > a.kbps {
		asked, short = a.kbps, a.kbps < a.asked
	}
	_ = s.take(asked, a.streams, ask{}) // it had that
	s.short = short
}

// alive says which m-lines offer and answer have in common.
func (s *share) alive(answer *sdp.Session) []bool {
	offered, streams := s.offer.Streams(), answer.Streams()
	live := make([]bool, min(len(offered), len(streams)))
	for i := range live {
		o, a := &offered[i], &streams[i]
		live[i] = !o.Rejected && !a.Rejected
		if s.media.relay != nil {
			live[i] = o.Usable() && a.Usable()
		}
	}
	return live
}

// limit is what an end may be told: no more than is granted. Who says nothing is told of it
// only where it matters: where it is less than was asked for, or the kernel sees to it.
func (s *share) limit(d *sdp.Session) *sdp.Session {
	_, all := d.Asked()
	if d.Over(s.kbps) || !all && (s.short || s.policed) {
		return d.Limit(s.kbps)
	}
	return d
}

// ports counts the m-lines that may have a port.
func (s *share) ports(d *sdp.Session) (n int) {
	for i := range d.Streams() {
		if st := &d.Streams()[i]; st.Usable() || !st.Rejected && s.media.relay == nil {
			n++
		}
	}
	return n
}

func count(all []bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}
