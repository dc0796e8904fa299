package b2bua

import (
	"errors"
	"sync"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/signaling/sip/sdp"
)

// Media relays the media of calls (dataplane/rtp).
type Media interface {
	Open(owner string, a, b rtp.Side) Streams
}

// Streams is the media of one call: what rtp.Call does.
type Streams interface {
	Local(stream int, l rtp.Leg) (rtp.Ports, error)
	Set(stream int, l rtp.Leg, r rtp.Remote) error
	Close(stream int)
	Grant(kbps uint32, groups [2][]relay.Group)
	Rate() (a, b uint32)
	Stats() []rtp.Stream
	Release() []rtp.Stream
}

var _ Streams = (*rtp.Call)(nil)

// RelayMedia is the node's own media.
type RelayMedia struct{ *rtp.Media }

// Open begins the media of a call.
func (m RelayMedia) Open(owner string, a, b rtp.Side) Streams { return m.Media.Open(owner, a, b) }

// errNoStream: an offer has nothing that this node can relay; it is answered 488.
var errNoStream = errors.New("no stream of the offer can be relayed")

// media is the media of a fork, relayed or not: what each description that passes turns
// into, and what it means for the streams (RFC 3264).
//
// An offer changes nothing until its answer comes, so that an offer that is refused leaves
// everything as it was (section 8, and RFC 6337 section 2.2).
type media struct {
	relay Streams // nil: media goes directly
	why   string
	ends  [2]*end
	// origins are our o= towards each end.
	origins [2]*sdp.Origin

	offer  *sdp.Session // the last one
	from   rtp.Leg      // who made it
	open   bool         // it has no answer yet
	by     *pair        // whose answer is in force
	known  int          // streams that an answer has set
	secure bool
	told   [2][]byte // what each end was told last
	share  *share    // of the call's grant; nil: nothing is counted
	held   *exchange // a request whose offer waits for what other peers have; nil: none does
	late   *rtp.Leg  // who made the offer in a response that waits so; nil: none does

	mu    sync.Mutex // kinds is read for listings, from other goroutines
	kinds []sdp.Kind
	gone  bool
}

// openMedia decides whether the media of a fork is relayed.
func (c *call) openMedia(b *end) *media {
	p := c.b.cfg.Policy
	relay, why := traversal(p, &c.a, b, c.offer.addr())
	if !relay && c.hides.session {
		relay, why = true, "privacy" // RFC 3323 section 5.2
	}
	m := &media{why: why, ends: [2]*end{&c.a, b}}
	sides := [2]rtp.Side{{Local: c.a.local}, {Local: b.local}}
	for i := range sides {
		sides[i].Public = p.Public(sides[i].Local)
		m.origins[i] = sdp.NewOrigin(sides[i].Public)
	}
	if relay {
		m.relay = c.b.cfg.Media.Open(c.owner, sides[rtp.LegA], sides[rtp.LegB])
	}
	return m
}

// first returns what the callee is told of the offer in the call's INVITE, for which the
// call was admitted.
func (m *media) first(d *description) ([]byte, error) {
	session := d.session
	if m.share != nil {
		m.share.offer = session
		session = m.share.limit(session)
	}
	return m.pass(session, legA)
}

// offered returns what the other end is told of an offer of leg from. firm: it cannot be
// refused, only be cut.
func (m *media) offered(d *description, from rtp.Leg, firm bool) ([]byte, error) {
	if m.share == nil {
		return m.pass(d.session, from)
	}
	session, err := m.share.offered(d.session, firm)
	if err != nil {
		return nil, err
	}
	text, err := m.pass(session, from)
	if err != nil {
		m.share.refused()
	}
	return text, err
}

// pass makes the text for the other end, and waits for the answer.
func (m *media) pass(offer *sdp.Session, from rtp.Leg) (text []byte, err error) {
	if m.relay == nil {
		text = m.direct(offer, from.Other())
	} else {
		if !offer.Usable() && m.known == 0 {
			return nil, errNoStream
		}
		if text, err = m.rewrite(offer, from.Other()); err != nil {
			return nil, err
		}
	}
	m.offer, m.from, m.open = offer, from, true
	return text, nil
}

// answered returns what the offerer is told of the answer that leg from of a pair made, and
// puts the streams in force. Of several dialogs of one fork the first to answer is heard
// until another one is the call: final.
func (m *media) answered(d *description, from rtp.Leg, p *pair, final bool) ([]byte, error) {
	session := d.session
	m.learn(session)
	counts := m.counts(from, p, final)
	if m.relay != nil && counts {
		if err := m.apply(m.offer.Streams(), session.Streams(), from); err != nil {
			return nil, err
		}
	}
	if m.share != nil {
		session = m.share.answer(session, counts)
	}
	if counts {
		m.open, m.by = false, p
	}
	if m.relay == nil {
		m.open = false
		return m.direct(session, from.Other()), nil
	}
	return m.rewrite(session, from.Other())
}

// counts reports whether an answer of leg from of a pair is the one that is heard.
func (m *media) counts(from rtp.Leg, p *pair, final bool) bool {
	return m.offer != nil && m.from != from && (m.open || final && m.by != p)
}

// offerer is the leg whose offer has no answer yet; nil: there is none.
func (m *media) offerer() *rtp.Leg {
	switch {
	case m.late != nil: // a request that waits, too, can be refused
		return m.late
	case m.held != nil:
		return &m.held.from.name
	case m.open:
		return &m.from
	}
	return nil
}

// waits reports whether an offer of a leg has no answer yet.
func (m *media) waits(from rtp.Leg) bool { return m.open && m.from == from }

// rewrite puts our addresses for leg to into a description.
func (m *media) rewrite(s *sdp.Session, to rtp.Leg) ([]byte, error) {
	var failed error
	text := s.Rewrite(func(i int) (rtp.Ports, bool) {
		p, err := m.relay.Local(i, to)
		if err != nil {
			failed = err
		}
		return p, err == nil
	}, m.origins[to])
	m.told[to] = text
	return text, failed
}

// direct leaves the addresses of a description as they are.
func (m *media) direct(s *sdp.Session, to rtp.Leg) []byte {
	m.told[to] = s.Direct(m.origins[to])
	return m.told[to]
}

// apply puts both ends of each stream in force.
func (m *media) apply(offer, answer []sdp.Stream, answerer rtp.Leg) error {
	for i := range min(len(offer), len(answer)) {
		o, a := &offer[i], &answer[i]
		if !o.Usable() || !a.Usable() {
			m.relay.Close(i)
			continue
		}
		far, near := o.Answered(a), a.Remote
		far.From = m.ends[answerer.Other()].latch()
		near.From = m.ends[answerer].latch()
		if err := errors.Join(m.relay.Set(i, answerer.Other(), far), m.relay.Set(i, answerer, near)); err != nil {
			return err
		}
	}
	for i := len(answer); i < m.known; i++ {
		m.relay.Close(i)
	}
	m.known = len(answer)
	return nil
}

// learn notes what the streams are.
func (m *media) learn(s *sdp.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, st := range s.Streams() {
		if i == len(m.kinds) {
			m.kinds = append(m.kinds, st.Kind)
		} else if !st.Rejected {
			m.kinds[i] = st.Kind
		}
		m.secure = m.secure || st.Secure
	}
}

// refused takes an offer back: streams that it would have added lose their ports.
func (m *media) refused() {
	if m.relay != nil && m.offer != nil {
		for i := m.known; i < len(m.offer.Streams()); i++ {
			m.relay.Close(i)
		}
	}
	m.offer, m.open = nil, false
	if m.share != nil {
		m.share.refused()
	}
}

// release ends the media; the figures are final. Only the first call returns them.
func (m *media) release() []calls.Stream {
	m.mu.Lock()
	again := m.gone
	m.gone = true
	m.mu.Unlock()
	if again {
		return nil
	}
	if m.relay == nil {
		return m.directly()
	}
	return m.shown(m.relay.Release())
}

// streams is how the media stands. From any goroutine.
func (m *media) streams() []calls.Stream {
	if m.relay == nil {
		return m.directly()
	}
	return m.shown(m.relay.Stats())
}

// rate is what the ends send; nil: nobody measures it. From any goroutine.
func (m *media) rate() *calls.Rate {
	if m.relay == nil {
		return nil
	}
	a, b := m.relay.Rate()
	return &calls.Rate{FromCaller: a, FromCallee: b}
}

// directly lists streams that this node does not see.
func (m *media) directly() []calls.Stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]calls.Stream, len(m.kinds))
	for i, k := range m.kinds {
		all[i] = calls.Stream{Index: i, Kind: string(k), Path: calls.PathDirect}
	}
	return all
}

func (m *media) shown(figures []rtp.Stream) []calls.Stream {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]calls.Stream, 0, len(figures))
	for _, f := range figures {
		s := calls.Stream{Index: f.Index, Kind: string(sdp.Other), Path: f.Path, Reason: f.Reason, A: shown(f.A), B: shown(f.B)}
		if f.Index < len(m.kinds) {
			s.Kind = string(m.kinds[f.Index])
		}
		all = append(all, s)
	}
	return all
}

func shown(d rtp.Direction) calls.Direction {
	return calls.Direction{
		Packets: d.Packets, Bytes: d.Bytes, Lost: d.Lost,
		JitterMs: d.JitterMs, LastSeen: d.LastSeen,
	}
}

// answerTo is what the other end is told of a description that cannot be passed.
func answerTo(err error) answer {
	var short *resources.Refusal
	switch {
	case errors.As(err, &short):
		return shortage(short)
	case errors.Is(err, rtp.ErrNoPorts), errors.Is(err, rtp.ErrReleased):
		return answer{status: 503, reason: "No Media Ports", kind: calls.Overloaded, later: true}
	case errors.Is(err, rtp.ErrRefused):
		return answer{status: 403, reason: "Media Address Refused", kind: calls.Denied}
	}
	return answer{status: 488, kind: calls.Refused}
}
