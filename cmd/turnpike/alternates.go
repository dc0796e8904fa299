package main

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
	inuse "turnpike.dev/turnpike/control/usage"
	"turnpike.dev/turnpike/dataplane/turn"
)

var _ turn.Alternates = (*alternates)(nil)

// alternates sends TURN clients to peers: it tells them where this node takes theirs, and finds
// one for those that this node has no relay for.
type alternates struct {
	node   *node
	server atomic.Pointer[turn.Server] // when it listens
	sides  map[netip.Addr]inuse.Side   // by the node's own addresses
	place  inuse.TURN                  // that does not change
}

func newAlternates(n *node, c *config.Node) *alternates {
	a := &alternates{node: n, sides: map[netip.Addr]inuse.Side{}}
	a.place.TCP = bool(c.TURN.TCP)
	if c.TURN.TLS != nil {
		a.place.TLS = c.TURN.TLS.Port
	}
	for _, s := range n.sides {
		side, nat := inuse.External, c.Interfaces.StaticNAT()
		if s.internal {
			side, nat = inuse.Internal, netip.Addr{}
		}
		for _, addr := range s.addrs {
			a.sides[addr] = side
			known := &a.place.Addrs[side][0]
			if addr.Is6() {
				known = &a.place.Addrs[side][1]
			}
			switch {
			case known.IsValid(): // the first of its family
			case nat.IsValid() && nat.Is4() == addr.Is4():
				*known = nat
			default:
				*known = addr
			}
		}
	}
	relays, _ := relayAddrs(n.sides, c.Interfaces) // TURN does not start with wrong ones
	a.place.IPv4 = slices.ContainsFunc(relays, func(r turn.RelayAddr) bool { return r.Local.Is4() })
	a.place.IPv6 = slices.ContainsFunc(relays, func(r turn.RelayAddr) bool { return r.Local.Is6() })
	return a
}

// alternates are those of a clustered node; nil: it stands alone.
func (n *node) alternates() turn.Alternates {
	if n.shared == nil {
		return nil
	}
	return n.shared.alternates
}

// listens says that peers may send clients from now on.
func (a *alternates) listens(s *turn.Server) {
	a.server.Store(s)
	a.node.shared.usage.Soon()
}

// here is where peers may send clients; nowhere before TURN listens, and in maintenance.
func (a *alternates) here() inuse.TURN {
	s := a.server.Load()
	if s == nil || s.Draining() {
		return inuse.TURN{}
	}
	t := a.place
	whole := a.node.resources.Relays().Left()
	port, room := s.Room()
	t.Port, t.Free = port, min(uint32(room), whole)
	if t.TLS != 0 {
		t.FreeTLS = min(uint32(s.RoomAt(t.TLS)), whole)
		t.Domain = a.node.turnDomain()
	}
	return t
}

// turnDomain is a name that TURN's certificate stands for, the one in the cluster's list if it
// can be; empty: there is none.
func (n *node) turnDomain() string {
	shown := n.certificate.Load()
	if shown == nil {
		shown = n.certificates.Server()
	}
	if shown == nil || shown.Leaf == nil {
		return ""
	}
	var names []string
	if n.peering != nil {
		names = append(names, n.peering.entry, n.peering.names.host)
	}
	for _, name := range append(names, shown.Leaf.DNSNames...) {
		if _, err := netip.ParseAddr(name); err != nil && name != "" && shown.Leaf.VerifyHostname(name) == nil {
			return name
		}
	}
	return ""
}

// Instead implements turn.Alternates. A client stays on the side that it came by: on the other one
// it may not be routed.
func (a *alternates) Instead(v turn.Visitor) (turn.Alternate, bool) {
	side, ok := a.sides[v.Server.Addr()]
	if !ok {
		return turn.Alternate{}, false
	}
	to, ok := a.node.shared.usage.Alternate(inuse.Visitor{
		Side: side, V6: v.Server.Addr().Is6(), TCP: v.Transport != turn.UDP, TLS: v.Transport == turn.TLS,
		IPv4: v.IPv4, IPv6: v.IPv6, Relays: uint32(v.Relays),
	})
	return turn.Alternate{Addr: to.Addr, Other: to.Other, Domain: to.Domain}, ok
}
