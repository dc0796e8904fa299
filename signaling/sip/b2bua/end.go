package b2bua

import (
	"net/netip"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// end is one party of a call: where it is, and what policy says of whoever is there.
type end struct {
	zone    *zones.Zone // nil: the Default Zone
	subzone string
	trusted bool       // inside the trust boundary (RFC 3325)
	local   netip.Addr // ours, that it reaches us at
	source  netip.Addr // of its signalling
	nat     bool       // media may be learnt from source
	behind  bool       // it says that it is elsewhere than its signalling comes from
	mode    config.MediaMode
	peer    uint8 // index of the peer of the cluster that is there; 0: none
}

// latch is the address that media may be learnt from besides the signalled one.
func (e *end) latch() netip.Addr {
	if e.nat {
		return e.source
	}
	return netip.Addr{}
}

// beyondFirewall reports whether the end is reached through a traversal zone: media has no
// other way there than this node, whatever policy says.
func (e *end) beyondFirewall() bool {
	return e.zone != nil && (e.zone.Type == zones.TraversalClient || e.zone.Type == zones.TraversalServer)
}

// hostAddr is the address that a URI names itself; invalid: it names a host.
func hostAddr(u message.URI) netip.Addr {
	host := u.Host
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	a, _ := netip.ParseAddr(host)
	return a.Unmap()
}

// traversal says whether the media of a call goes through this node, and why (facts A2.3).
// media is where the caller's offer wants it; invalid without an offer.
func traversal(p Policy, a, b *end, media netip.Addr) (relay bool, why string) {
	switch {
	case a.beyondFirewall() || b.beyondFirewall():
		return true, "firewall traversal"
	case a.mode == config.MediaRelay || b.mode == config.MediaRelay:
		return true, "policy"
	case p.Interface(a.local) != p.Interface(b.local):
		return true, "interfaces"
	case a.local.Is4() != b.local.Is4(), media.IsValid() && media.Is4() != b.local.Is4():
		return true, "IPv4-IPv6"
	case a.mode == config.MediaDirect || b.mode == config.MediaDirect:
		return false, "policy"
	case a.behind || b.behind, a.peer == 0 && media.IsValid() && !media.IsUnspecified() && media != a.source:
		return true, "NAT" // what is behind a peer, the peer has looked at
	case p.Public(a.local) != a.local || p.Public(b.local) != b.local:
		return true, "static NAT"
	}
	return false, "one side"
}
