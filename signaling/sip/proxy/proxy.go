// Package proxy passes on requests that are neither calls nor registrations: messages, subscriptions,
// publications, transfers outside calls, and questions to somebody behind the node (RFC 3261 section 16).
//
// It exists beside the B2BUA because such a request is its ends' own affair: the node decides whether and where it
// goes, as for calls, but does not stand in the middle. Dialogs that a request begins come by the node again
// (Record-Route), each with a token that says where they go on: only what this node wrote itself is followed, so
// that nobody can send anything anywhere through it.
//
// What belongs to a request runs on the shard of its Call-ID, without locks.
package proxy

import (
	"net/netip"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/peers"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Layer sends requests (transaction.Layer).
type Layer interface {
	SendMarked(s *shard.Shard, m *message.Message, h transport.Hop, u transaction.User, marks ...message.Param) *transaction.Client
}

// Access says who sends a request; where it is done, it has answered it (access.Guard).
type Access interface {
	Check(t *transaction.Server) (who access.Caller, done bool)
}

// Router says where a request goes (routing.Router).
type Router interface {
	Locate(req *dialplan.Request, out *dialplan.Result, t *trace.Trace)
}

// Places finds where a request for a target goes (places.Finder).
type Places interface {
	Find(on places.Poster, t *dialplan.Target, done func([]places.Place, error))
}

// Config is what a Proxy works with.
type Config struct {
	Layer  Layer
	Local  func(transport.Hop) (netip.AddrPort, error) // transport.Transport.Local
	Access Access
	Router Router
	Places Places
	Key    []byte // signs tokens; the same as long as dialogs shall outlive the process
}

// Proxy passes requests on. Its methods run on the shard of the Call-ID.
type Proxy struct {
	cfg    Config
	signer signer
}

// New returns a proxy.
func New(c Config) *Proxy { return &Proxy{cfg: c, signer: newSigner(c.Key)} }

// Request passes on a request outside a dialog, in the order of RFC 3261 section 16.3 to 16.6.
func (p *Proxy) Request(t *transaction.Server) {
	if p.signer.looped(t.Request()) {
		t.Reply(482, "") // RFC 5393 section 4.2
		return
	}
	who, done := p.cfg.Access.Check(t)
	if done {
		return
	}
	j := &job{proxy: p, t: t, who: who, breadth: breadthOf(t.Request())}
	if j.breadth == 0 {
		t.Reply(440, "Max-Breadth Exceeded") // RFC 5393 section 5.3.3.1
		return
	}
	name := t.Request().URI().String()
	if who.Note.Alias != "" { // a peer has looked it up
		name = who.Note.Alias
	}
	called, err := alias.Parse(name)
	if err != nil {
		t.Reply(404, "")
		return
	}
	caller, _ := alias.Parse(t.Request().From().URI.String()) // none: policy sees no caller
	p.cfg.Router.Locate(&dialplan.Request{
		Alias: called, Protocol: dialplan.SIP, Zone: who.Zone, Subzone: who.Subzone, Authenticated: who.Authenticated,
		Peer: who.Peer != 0, Endpoints: who.Note.Endpoints, Caller: caller, HopCount: hopsOf(t.Request()),
	}, &j.result, nil)
	t.OnEnd(func(error) { j.stop() })
	j.next()
}

// Within passes on a request in a dialog that was begun through the node. It reports whether it was.
func (p *Proxy) Within(t *transaction.Server) bool {
	m := t.Request().Clone()
	m.Del(peers.Header)
	hop, ours := p.signer.follow(m)
	if !ours {
		return false
	}
	hops := hopsOf(m)
	if hops == 0 {
		t.Reply(483, "")
		return true
	}
	j := &job{proxy: p, t: t}
	t.OnEnd(func(error) { j.stop() })
	j.pending = 1
	b := &branch{job: j, within: true}
	j.branches = append(j.branches, b)
	m.SetMaxForwards(hops - 1)
	b.send(m, hop)
	return true
}

// hopsOf is how far a request may go; one that does not say as far as one that begins here (RFC 3261 section 16.6,
// step 3).
func hopsOf(m *message.Message) int {
	if n, there := m.MaxForwards(); there {
		return n
	}
	return 70
}

// refusal is what is said of a search that found nothing.
func refusal(r dialplan.Reason) (status int, reason string) {
	switch r {
	case dialplan.Denied:
		return 403, "Denied by Call Policy"
	case dialplan.SearchLoop, dialplan.PolicyLoop:
		return 482, ""
	case dialplan.HopsUsedUp:
		return 483, ""
	case dialplan.IPRefused:
		return 403, ""
	case dialplan.Found, dialplan.Unreachable, dialplan.NoInterwork:
		return 480, ""
	}
	return 404, ""
}
