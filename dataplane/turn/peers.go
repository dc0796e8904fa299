package turn

import (
	"encoding/binary"
	"net/netip"

	"turnpike.dev/turnpike/dataplane/relay"
)

// peerPolicy says which peers may be relayed to (ME-07). It is immutable.
type peerPolicy struct {
	deny          []netip.Prefix
	own           map[netip.Addr]bool // to: are there relays on it?
	broadcast     map[netip.Addr]bool
	portMin       uint16
	portMax       uint16
	media         [2]uint16
	allowLoopback bool
}

func newPeerPolicy(c *Config, deny []netip.Prefix) *peerPolicy {
	p := &peerPolicy{
		own:       make(map[netip.Addr]bool),
		broadcast: make(map[netip.Addr]bool),
		portMin:   c.PortMin, portMax: c.PortMax, media: c.MediaPorts,
		allowLoopback: c.AllowLoopback,
	}
	for _, d := range deny {
		p.deny = append(p.deny, canonicalPrefix(d))
	}
	for _, a := range c.OwnAddrs {
		p.own[a.Unmap().WithZone("")] = false
	}
	for _, l := range append(c.Listen, c.TLSListen...) {
		p.own[l.Addr().Unmap().WithZone("")] = false
	}
	for _, r := range c.RelayAddrs {
		p.own[r.Local], p.own[r.Public] = true, true
	}
	for _, n := range c.Subnets {
		if b, ok := broadcastOf(n); ok {
			p.broadcast[b] = true
		}
	}
	return p
}

// canonicalPrefix makes a prefix of IPv4-mapped addresses one of IPv4.
func canonicalPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
	}
	return p.Masked()
}

// broadcastOf returns the last address of an IPv4 network.
func broadcastOf(n netip.Prefix) (netip.Addr, bool) {
	if !n.Addr().Is4() || n.Bits() > 30 {
		return netip.Addr{}, false
	}
	b := n.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(b[:]) | 1<<(32-n.Bits()) - 1
	binary.BigEndian.PutUint32(b[:], last)
	return netip.AddrFrom4(b), true
}

// mayPermit judges a peer's address; its port is judged when it is bound or sent to.
func (p *peerPolicy) mayPermit(peer netip.AddrPort) bool {
	return p.judge(peer.Addr(), p.portMin)
}

// maySend judges address and port: of our own addresses, only ports of relays and of the
// media of calls are peers.
func (p *peerPolicy) maySend(peer netip.AddrPort) bool {
	return p.judge(peer.Addr(), peer.Port())
}

// judge applies the policy to the address and to every IPv4 address inside it.
func (p *peerPolicy) judge(a netip.Addr, port uint16) bool {
	a = a.Unmap().WithZone("")
	if !p.allowed(a, port) {
		return false
	}
	var buf [4]netip.Addr
	for _, inner := range relay.AppendEmbedded(buf[:0], a) {
		if !p.allowed(inner, port) {
			return false
		}
	}
	return true
}

func (p *peerPolicy) allowed(a netip.Addr, port uint16) bool {
	for _, d := range p.deny {
		if d.Contains(a) {
			return false
		}
	}
	if a.IsLoopback() && p.allowLoopback {
		return true
	}
	if relay.Reserved(a) || p.broadcast[a] {
		return false
	}
	if relays, own := p.own[a]; own {
		return relays && (port >= p.portMin && port <= p.portMax || port > 0 && port >= p.media[0] && port <= p.media[1])
	}
	return true
}
