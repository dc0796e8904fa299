package b2bua

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// contactAt is our Contact at an address, as it is seen from there. It has a user, so that
// what is sent to it without a dialog can be routed.
func (b *B2BUA) contactAt(user string, at netip.AddrPort, t loop.Transport, secure bool) message.Address {
	u := message.URI{Scheme: "sip", User: user, Host: b.cfg.Policy.Public(at.Addr()).String(), Port: at.Port()}
	switch {
	case secure: // RFC 3261 sections 8.1.1.8 and 12.1.1
		u.Scheme = "sips"
	case t != loop.UDP:
		u.Params = message.Params{{Name: "transport", Value: t.String()}}
	}
	return message.Address{URI: u}
}

// isSecure reports whether a URI is to be reached by TLS all the way (RFC 3261 section 19.1).
func isSecure(u message.URI) bool { return strings.EqualFold(u.Scheme, "sips") }

// callerHop is where responses to the caller's INVITE go.
func (c *call) callerHop() transport.Hop {
	return transport.AnswerHop(c.server.Source(), c.invite.Via())
}

// named is a name that was looked up.
type named struct {
	host string
	hop  transport.Hop // invalid: it is being looked up, or is not known
}

// reach begins to look up a name that requests of the leg go to. near: no proxy is in
// between.
func (l *leg) reach(near bool) {
	l.near = near
	l.lookUp()
}

// moved takes the way that a request came as the way to its sender: its connection may be
// a new one, or its NAT have given it another port.
func (l *leg) moved(t *transaction.Server) {
	if l.near && len(l.d.Routes) == 0 && t.Request().Vias() == 1 {
		only, key := l.hop.Only, l.hop.Key
		l.hop = transport.AnswerHop(t.Source(), t.Request().Via())
		l.hop.Only, l.hop.Key = only, key
	}
}

// lookTime is how long a name is looked up.
const lookTime = 10 * time.Second

// lookUp asks for the address of a name in the next hop's URI, beside: until it is known,
// requests go where the dialog began.
func (l *leg) lookUp() {
	u := l.d.NextHop()
	find := l.call.b.cfg.Find
	if find == nil || l.hop.Only || hostAddr(u).IsValid() || l.named != nil && l.named.host == u.Host {
		return
	}
	l.named = &named{host: u.Host}
	to, on := l.named, l.call.shard
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		if hops, err := find(ctx, u); err == nil && len(hops) > 0 {
			on.Post(func() { to.hop = hops[0] })
		}
	}()
}

// next is where the leg's next request goes (RFC 3261 section 8.1.2). An end that says that
// it is elsewhere than its messages come from is behind a NAT, and is reached where they
// come from.
func (l *leg) next() transport.Hop {
	u := l.d.NextHop()
	at := hostAddr(u)
	switch {
	case l.hop.Only:
		return l.hop
	case !at.IsValid():
		if l.named != nil && l.named.host == u.Host && l.named.hop.Remote.IsValid() {
			return l.along(l.named.hop)
		}
		return l.hop
	case l.near && len(l.d.Routes) == 0 && at != l.hop.Remote.Addr() && (l.name == legA || l.end.nat):
		return l.hop
	}
	return l.along(hopTo(u, at, l.hop))
}

// hopTo is the hop to a URI with an address (RFC 3263 sections 4.1 and 4.2). Where it does
// not say how, what the dialog began with is as good for the same host.
func hopTo(u message.URI, at netip.Addr, began transport.Hop) transport.Hop {
	h := transport.Hop{Transport: loop.UDP}
	how, _ := u.Params.Get("transport")
	switch {
	case isSecure(u) || strings.EqualFold(how, "tls"):
		h.Transport = loop.TLS
	case strings.EqualFold(how, "tcp"):
		h.Transport = loop.TCP
	case how == "" && at == began.Remote.Addr():
		h.Transport = began.Transport
	}
	port := u.Port
	if port == 0 {
		port = 5060
		if h.Transport == loop.TLS {
			port = 5061
		}
	}
	h.Remote = netip.AddrPortFrom(at, port)
	return h
}

// along keeps what the dialog began with: our address, the key of a peer, and the connection where
// it leads to the same host.
func (l *leg) along(h transport.Hop) transport.Hop {
	if h.Local = l.end.local; h.Local.Is4() != h.Remote.Addr().Is4() {
		h.Local = netip.Addr{}
	}
	h.Key = l.hop.Key
	if h.Transport == l.hop.Transport && h.Remote.Addr() == l.hop.Remote.Addr() {
		h.Conn, h.Name = l.hop.Conn, l.hop.Name
	}
	return h
}
