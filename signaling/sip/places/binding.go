package places

import (
	"fmt"
	"net/netip"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// binding gives the ways to a registration: over its flow, by its contact, and then over
// the other flows of the same endpoint (RG-03, RFC 5626 section 5.3).
//
// An endpoint that has flows to other peers of the cluster too is reached over those last: a
// peer is asked for what it has registered itself.
func (f *Finder) binding(t *dialplan.Target) ([]draft, error) {
	if t.Binding.Peer != 0 {
		return f.peer(t)
	}
	var out []draft
	var failed error
	for _, b := range f.Bindings.Flows(t.Binding.ID) {
		ways, err := f.ways(b, t.Zone)
		if err != nil {
			failed = err
			continue
		}
		out = append(out, ways...)
	}
	out = append(out, f.elsewhere(t)...)
	switch {
	case len(out) > 0:
		return out, nil
	case failed != nil:
		return nil, fmt.Errorf("reach %s: %w", t.Alias, failed)
	}
	return nil, fmt.Errorf("reach %s: %w", t.Alias, ErrNowhere)
}

func (f *Finder) ways(b *registrations.Binding, zone *zones.Zone) ([]draft, error) {
	uri, err := message.ParseURI(b.Contact)
	if err != nil {
		return nil, fmt.Errorf("contact: %w", err)
	}
	p := Place{URI: uri, Zone: zone, Subzone: b.Subzone}
	for _, text := range b.Path {
		route, err := message.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("path: %w", err)
		}
		p.Routes = append(p.Routes, route)
	}
	if len(b.Path) == 0 && f.NAT(b.Subzone) {
		p.NAT = b.Source.Addr()
	}
	return f.hopsOf(b, p), nil
}

// hopsOf are the ways of one flow. What comes first is how the registration came: behind
// a NAT nothing else leads there, and a connection that is open is the quickest. The
// contact follows, unless it is an address that the registration did not come from: that
// is behind a NAT, or somebody else's.
func (f *Finder) hopsOf(b *registrations.Binding, p Place) []draft {
	var out []draft
	if h, ok := f.flow(b, p); ok {
		p.Hop = h
		out = append(out, draft{Place: p})
	}
	at, isAddress := contactAddr(p)
	switch {
	case b.Outbound, b.Transport == loop.UDP.String() && len(out) > 0:
		return out
	case isAddress && len(p.Routes) == 0 && at.Addr() != b.Source.Addr():
		return out
	}
	next := p.URI
	if len(p.Routes) > 0 {
		next = p.Routes[0].URI
	}
	return append(out, draft{Place: p, ask: &next, from: b.Local.Addr(), unverified: true})
}

// flow is the way back over which a registration came, where there is one that leads to
// the endpoint or to the proxy in front of it.
func (f *Finder) flow(b *registrations.Binding, p Place) (transport.Hop, bool) {
	if b.Flow != 0 {
		c := f.Connections.Conn(b.Flow)
		if c == nil {
			return transport.Hop{}, false
		}
		return transport.Hop{Transport: c.Transport(), Remote: c.Remote(), Local: c.Local().Addr(), Conn: c, Only: true}, true
	}
	if b.Transport != loop.UDP.String() {
		return transport.Hop{}, false
	}
	h := transport.Hop{Transport: loop.UDP, Remote: b.Source, Local: b.Local.Addr(), Only: b.Outbound}
	if at, ok := contactAddr(p); ok && !b.Outbound && at.Addr() == b.Source.Addr() {
		h.Remote = at // no NAT in between: it listens where it says
	}
	return h, h.Remote.IsValid()
}

// contactAddr is the address that a contact names itself, or the first proxy before it.
func contactAddr(p Place) (netip.AddrPort, bool) {
	uri := p.URI
	if len(p.Routes) > 0 {
		uri = p.Routes[0].URI
	}
	a, ok := uri.IP()
	if !ok {
		return netip.AddrPort{}, false
	}
	port := uri.Port
	if port == 0 {
		port = 5060
	}
	return netip.AddrPortFrom(a.Unmap(), port), true
}
