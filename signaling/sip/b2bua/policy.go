package b2bua

import (
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/sip/dialog"
)

// Policy is what configuration says of calls. It is asked when it is needed, so that a
// change counts at once.
type Policy interface {
	Session() dialog.Limits
	// Refer: whether a REFER from there is passed on; otherwise it is answered 403.
	Refer(z *zones.Zone) bool
	// Trusted: whether the zone's word about callers counts, and it may know who hides from
	// others (RFC 3325).
	Trusted(z *zones.Zone) bool
	Media(z *zones.Zone, subzone string) config.MediaMode
	// NAT: whether who is there may be behind a NAT.
	NAT(z *zones.Zone, subzone string) bool
	// Public is what the far end is told instead of an address of ours: static NAT. The
	// address itself where there is none.
	Public(local netip.Addr) netip.Addr
	// Interface names what an address of ours is on: two addresses of one interface are on
	// the same side.
	Interface(local netip.Addr) string
}

// NodePolicy is the policy of a node's configuration.
type NodePolicy struct {
	Node func() *config.Node // in force
	// StaticNAT and InterfaceOf are Policy's Public and Interface; nil: each address is its
	// own.
	StaticNAT   func(netip.Addr) netip.Addr
	InterfaceOf func(netip.Addr) string
}

var _ Policy = NodePolicy{}

// Session returns the session times.
func (p NodePolicy) Session() dialog.Limits {
	sip := p.Node().SIP
	return dialog.Limits{Time: time.Duration(sip.SessionTime) * time.Second, Min: time.Duration(sip.MinSessionTime) * time.Second}
}

// Refer reports whether REFER is passed.
func (p NodePolicy) Refer(z *zones.Zone) bool {
	return p.Node().ReferFrom(nameOf(z)) == config.ReferPass
}

// Public returns the address that others know.
func (p NodePolicy) Public(a netip.Addr) netip.Addr {
	if p.StaticNAT == nil {
		return a
	}
	return p.StaticNAT(a)
}

// Interface returns where an address is.
func (p NodePolicy) Interface(a netip.Addr) string {
	if p.InterfaceOf == nil {
		return a.String()
	}
	return p.InterfaceOf(a)
}

func nameOf(z *zones.Zone) string {
	if z == nil {
		return config.DefaultZoneName
	}
	return z.Name
}

// Trusted reports whether the zone is inside the trust boundary. What is registered is
// told nothing that a caller hides.
func (p NodePolicy) Trusted(z *zones.Zone) bool {
	e := p.listed(z)
	return e != nil && bool(e.SIP.Trusted)
}

// Media returns the mode of a zone, or of a subzone of the Local Zone.
func (p NodePolicy) Media(z *zones.Zone, subzone string) config.MediaMode {
	n := p.Node()
	if e := p.listed(z); e != nil {
		return e.Media
	}
	if !registered(z, subzone) {
		return n.DefaultZone.Media
	}
	if i := subzoneOf(n, subzone); i >= 0 {
		return n.Subzones[i].Media
	}
	return n.DefaultSubzone.Media
}

// NAT reports whether media may be learnt from the source of the signalling.
func (p NodePolicy) NAT(z *zones.Zone, subzone string) bool {
	n := p.Node()
	if e := p.listed(z); e != nil {
		return bool(e.NAT)
	}
	if !registered(z, subzone) {
		return bool(n.DefaultZone.NAT)
	}
	if i := subzoneOf(n, subzone); i >= 0 {
		return bool(n.Subzones[i].NAT)
	}
	return bool(n.DefaultSubzone.NAT)
}

// listed finds what the list says of a zone; nil: it is not one of the list.
func (p NodePolicy) listed(z *zones.Zone) *config.Zone {
	if z == nil || !z.Listed() {
		return nil
	}
	all := p.Node().Zones
	i := slices.IndexFunc(all, func(e config.Zone) bool { return e.Name == z.Name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// registered: whoever is in a subzone is, and the Local Zone is where they are.
func registered(z *zones.Zone, subzone string) bool {
	return subzone != "" || z != nil && z.Type == zones.Local
}

func subzoneOf(n *config.Node, name string) int {
	return slices.IndexFunc(n.Subzones, func(s config.Subzone) bool { return s.Name == name })
}
