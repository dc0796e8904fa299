package neighbours

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/digest"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// tolerated is how many questions in a row may have no answer before anything changes.
const tolerated = 1

// times is how peers are asked. A silent peer is noticed within interval + 2 × patience +
// firstRetry, one that is back within lastRetry.
type times struct {
	interval   time.Duration // from an answer to the next question: 30 s
	keepAlive  time.Duration // the same of a traversal client: 20 s, since firewalls forget after 30 s
	patience   time.Duration // for an answer: 5 s
	firstRetry time.Duration // after a question without an answer, twice as long each time: 5 s
	lastRetry  time.Duration // but no longer than this: 60 s
	spread     time.Duration // within which the first questions are asked: 1 s
}

func usual() times {
	return times{30 * time.Second, 20 * time.Second, 5 * time.Second, 5 * time.Second, time.Minute, time.Second}
}

// watch asks one peer whether it lives. It belongs to its shard.
type watch struct {
	n      *Neighbours
	shard  *shard.Shard
	key    key
	state  *atomic.Pointer[zones.PeerState]
	callID string // of the question under way, which a challenge repeats
	cseq   uint32

	account account        // of a traversal client
	login   *digest.Client // with it; otherwise nil
	field   string         // that proves it

	client  *transaction.Client // the question under way
	timer   *shard.Timer        // until its answer, or until the next one
	misses  int                 // in a row
	turn    int                 // which address of the peer is asked
	stopped bool
}

// begin asks for the first time, not at once with all others.
func (w *watch) begin() { w.after(time.Duration(w.n.deps.Random(int(w.n.times.spread)))) }

func (w *watch) after(d time.Duration) { w.timer = w.shard.After(d, w.ask) }

// hurry asks soon, unless an answer is waited for.
func (w *watch) hurry() {
	if w.stopped || w.client != nil {
		return
	}
	w.timer.Stop()
	w.begin()
}

// stop ends the watch.
func (w *watch) stop() {
	w.stopped = true
	w.timer.Stop()
	w.giveUp()
}

// ask sends OPTIONS (RFC 3261 section 11.1) to the peer's address, or to the next one
// after a question that nobody answered.
func (w *watch) ask() {
	p := w.n.now.Load().find(w.key)
	if w.stopped || p == nil {
		return
	}
	if len(p.hops) == 0 {
		w.missed("its name has no address", 0)
		return
	}
	w.callID, w.cseq = w.newCallID(), 0
	w.send(p.hops[w.turn%len(p.hops)], "")
}

// newCallID makes one that belongs to the watch's shard. Each question has another: some
// peers remember a Call-ID and answer nothing else under it.
func (w *watch) newCallID() string {
	for {
		if id := message.NewCallID(); w.n.deps.Group.Of(id) == w.shard {
			return id
		}
	}
}

func (w *watch) send(h transport.Hop, proof string) {
	m, err := w.options(h)
	if err != nil {
		w.missed(err.Error(), 0)
		return
	}
	if w.login != nil {
		m.Set(Header, w.n.deps.Load().String())
		if proof == "" {
			proof, _ = w.login.Next(string(message.Options), m.URI().String())
		}
		if proof != "" {
			m.Set(w.field, proof)
		}
	}
	w.client = w.n.deps.Sender.Send(w.shard, m, h, w)
	w.timer = w.shard.After(w.n.times.patience, func() { w.missed("it does not answer", 0) })
}

func (w *watch) options(h transport.Hop) (*message.Message, error) {
	at, err := w.n.deps.Ways.Local(h)
	if err != nil {
		return nil, err
	}
	w.cseq++
	uri := message.URI{Scheme: "sip", Host: w.key.host, Port: w.key.port}
	own := message.URI{Scheme: "sip", Host: at.Addr().String(), Port: at.Port()}
	if h.Transport != loop.UDP {
		uri.Params = uri.Params.With("transport", h.Transport.String())
		own.Params = own.Params.With("transport", h.Transport.String())
	}
	m := message.NewRequest(message.Options, uri)
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", Host: own.Host}}.WithTag(message.NewTag()))
	m.SetTo(message.Address{URI: uri})
	m.SetCallID(w.callID)
	m.SetCSeq(w.cseq, message.Options)
	m.SetMaxForwards(70)
	m.SetContacts(message.Address{URI: own})
	m.Set("Accept", "application/sdp")
	m.Set("User-Agent", "Turnpike")
	return m, nil
}

// Response takes an answer (transaction.User). Whatever a peer says, it lives; except that
// 408 is somebody else's word that it does not, and 503 its own that it is of no use now
// (RFC 3261 sections 21.4.9 and 21.5.4).
func (w *watch) Response(c *transaction.Client, m *message.Message) {
	if c != w.client || m.Status() < 200 {
		return
	}
	w.client = nil
	w.timer.Stop()
	switch m.Status() {
	case 408, 503:
		w.missed("it answers "+strconv.Itoa(m.Status()), retryAfter(m))
	case 401, 407:
		w.challenged(c, m)
	case 403:
		if w.login != nil {
			w.missed(refused, w.n.times.lastRetry)
			return
		}
		w.answered(m)
	default:
		w.answered(m)
	}
}

// challenged proves the account of a traversal client; a neighbour that wants to know who
// asks lives.
func (w *watch) challenged(c *transaction.Client, m *message.Message) {
	if w.login == nil {
		w.answered(m)
		return
	}
	challenges, field := m.All("WWW-Authenticate"), "Authorization"
	if m.Status() == 407 {
		challenges, field = m.All("Proxy-Authenticate"), "Proxy-Authorization"
	}
	proof, ok := w.login.Answer(challenges, string(message.Options), c.Request().URI().String())
	if !ok {
		w.missed(refused, w.n.times.lastRetry)
		return
	}
	w.field = field
	w.send(c.Hop(), proof)
}

const refused = "it does not take the zone's account: compare zones[].traversal here and accounts there"

// Failed says that there will be no answer (transaction.User).
func (w *watch) Failed(c *transaction.Client, err error) {
	if c != w.client {
		return
	}
	w.client = nil
	w.timer.Stop()
	w.missed(err.Error(), 0)
}

// answered notes what a peer that lives says of itself.
func (w *watch) answered(m *message.Message) {
	w.misses = 0
	var s zones.PeerState
	if l, ok := parseLoad(m.Get(Header)); ok {
		s = zones.PeerState{Known: true, Free: l.free(), Maintenance: l.Maintenance}
	}
	w.set(s, "")
	if w.login != nil {
		w.login.Accepted()
		w.after(w.about(w.n.times.keepAlive))
		return
	}
	w.after(w.about(w.n.times.interval))
}

// missed notes that a peer was of no use, and asks again after a time that grows.
func (w *watch) missed(why string, atLeast time.Duration) {
	w.giveUp()
	w.turn++
	if w.misses++; w.misses > tolerated {
		w.set(zones.PeerState{Silent: true}, why)
	}
	next := min(w.n.times.firstRetry<<min(w.misses-1, 8), w.n.times.lastRetry)
	w.after(w.about(max(next, min(atLeast, w.n.times.lastRetry))))
}

// giveUp waits for no answer any more.
func (w *watch) giveUp() {
	if w.client != nil {
		w.client.Stop()
		w.client = nil
	}
}

// about is a time give or take a tenth, so that nodes that started together do not ask
// together for ever.
func (w *watch) about(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(w.n.deps.Random(int(d/5)))
}

// set makes the state known and logs that the peer came or went.
func (w *watch) set(s zones.PeerState, why string) {
	was := *w.state.Swap(&s)
	if w.n.heard != nil {
		w.n.heard(w.key)
	}
	switch {
	case s.Silent && !was.Silent:
		w.n.deps.Log.Warn("External Server Communications Failure", "Detail", "zone "+w.key.zone+": calls leave the peer out until it answers", "Reason", why, "Service", "SIP", "Zone", w.key.zone, "Peer", w.key.String())
	case !s.Silent && was.Silent:
		w.n.deps.Log.Event("External Server Communications Restored", "Service", "SIP", "Zone", w.key.zone, "Peer", w.key.String())
	case s.Maintenance != was.Maintenance && !was.Checking:
		w.n.deps.Log.Event("Zone Peer Maintenance", "Detail", map[bool]string{true: "it takes no new calls", false: "it takes calls again"}[s.Maintenance], "Zone", w.key.zone, "Peer", w.key.String())
	}
}

// retryAfter reads how long a peer wants to be left alone (RFC 3261 section 20.33).
func retryAfter(m *message.Message) time.Duration {
	digits, _, _ := strings.Cut(m.Get("Retry-After"), "(")
	digits, _, _ = strings.Cut(digits, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
