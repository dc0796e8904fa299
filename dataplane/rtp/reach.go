package rtp

import (
	"net/netip"

	"turnpike.dev/turnpike/dataplane/relay"
)

// reach says where media may go (ME-07): what a caller writes into its SDP must not turn
// this node against itself or the hosts beside it.
type reach struct {
	deny   []netip.Prefix
	own    map[netip.Addr]bool
	ranges [2][2]uint16
}

func newReach(c *Config) reach {
	r := reach{
		deny: c.Deny, own: map[netip.Addr]bool{},
		ranges: [2][2]uint16{{c.First, c.Last}, c.Relays},
	}
	for _, a := range c.Own {
		r.own[a.Unmap().WithZone("")] = true
	}
	return r
}

// may applies the rules to the address and to every IPv4 address inside it. Loopback is
// reached from loopback.
func (r *reach) may(from netip.Addr, a netip.AddrPort) bool {
	if a.Addr().IsLoopback() {
		return from.IsLoopback()
	}
	if !r.allowed(a.Addr(), a.Port()) {
		return false
	}
	var buf [4]netip.Addr
	for _, inner := range relay.AppendEmbedded(buf[:0], a.Addr()) {
		if !r.allowed(inner, a.Port()) {
			return false
		}
	}
	return true
}

func (r *reach) allowed(a netip.Addr, port uint16) bool {
	for _, d := range r.deny {
		if d.Contains(a) {
			return false
		}
	}
	switch {
	case relay.Reserved(a):
		return false
	case !r.own[a]:
		return true
	}
	for _, x := range r.ranges {
		if x[0] <= port && port <= x[1] {
			return true
		}
	}
	return false
}
