package b2bua

import (
	"net/netip"
	"sync/atomic"
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
	// Infrastructure: whether who is registered in the zone counts as registered here: calls
	// between two such take no licence (LI-04).
	Infrastructure(z *zones.Zone) bool
	// DefaultKbps is what a call is granted that asks for nothing.
	DefaultKbps() uint32
	// EndsOverGrant: whether a call ends that goes on sending more than it was granted (BW-06).
	EndsOverGrant() bool
}

// NodePolicy is the policy of a node's configuration.
type NodePolicy struct {
	node func() *config.Node // in force
	nat  func(netip.Addr) netip.Addr
	on   func(netip.Addr) string

	index atomic.Pointer[index]
}

var _ Policy = (*NodePolicy)(nil)

// NewNodePolicy returns the policy of the configuration that node returns. nat and on are
// Policy's Public and Interface; nil: each address is its own.
func NewNodePolicy(node func() *config.Node, nat func(netip.Addr) netip.Addr, on func(netip.Addr) string) *NodePolicy {
	return &NodePolicy{node: node, nat: nat, on: on}
}

// index finds what a configuration says of zones and subzones by their names: each call
// asks several times, and there may be a thousand of each.
type index struct {
	of       *config.Node
	zones    map[string]*config.Zone
	subzones map[string]*config.Subzone
}

// in returns the index of the configuration in force.
func (p *NodePolicy) in() *index {
	n := p.node()
	if i := p.index.Load(); i != nil && i.of == n {
		return i
	}
	i := &index{of: n, zones: make(map[string]*config.Zone, len(n.Zones)), subzones: make(map[string]*config.Subzone, len(n.Subzones))}
	for k := range n.Zones {
		i.zones[n.Zones[k].Name] = &n.Zones[k]
	}
	for k := range n.Subzones {
		i.subzones[n.Subzones[k].Name] = &n.Subzones[k]
	}
	p.index.Store(i)
	return i
}

// Session returns the session times.
func (p *NodePolicy) Session() dialog.Limits {
	sip := p.node().SIP
	return dialog.Limits{Time: time.Duration(sip.SessionTime) * time.Second, Min: time.Duration(sip.MinSessionTime) * time.Second}
}

// Refer reports whether REFER is passed.
func (p *NodePolicy) Refer(z *zones.Zone) bool {
	return p.node().ReferFrom(nameOf(z)) == config.ReferPass
}

// Public returns the address that others know.
func (p *NodePolicy) Public(a netip.Addr) netip.Addr {
	if p.nat == nil {
		return a
	}
	return p.nat(a)
}

// Interface returns where an address is.
func (p *NodePolicy) Interface(a netip.Addr) string {
	if p.on == nil {
		return a.String()
	}
	return p.on(a)
}

func nameOf(z *zones.Zone) string {
	if z == nil {
		return config.DefaultZoneName
	}
	return z.Name
}

// Trusted reports whether the zone is inside the trust boundary. What is registered is
// told nothing that a caller hides.
func (p *NodePolicy) Trusted(z *zones.Zone) bool {
	e := p.in().listed(z)
	return e != nil && bool(e.SIP.Trusted)
}

// Infrastructure reports whether who is registered in a zone counts as registered here.
func (p *NodePolicy) Infrastructure(z *zones.Zone) bool {
	e := p.in().listed(z)
	return e != nil && bool(e.Infrastructure)
}

// DefaultKbps returns what is granted to who asks for nothing.
func (p *NodePolicy) DefaultKbps() uint32 { return uint32(p.node().Bandwidth.DefaultKbps) }

// EndsOverGrant reports whether a call ends that sends more than it was granted.
func (p *NodePolicy) EndsOverGrant() bool {
	return p.node().Bandwidth.OverGrant == config.OverGrantDisconnect
}

// Media returns the mode of a zone, or of a subzone of the Local Zone.
func (p *NodePolicy) Media(z *zones.Zone, subzone string) config.MediaMode {
	i := p.in()
	if e := i.listed(z); e != nil {
		return e.Media
	}
	if !registered(z, subzone) {
		return i.of.DefaultZone.Media
	}
	if s := i.subzones[subzone]; s != nil {
		return s.Media
	}
	return i.of.DefaultSubzone.Media
}

// NAT reports whether media may be learnt from the source of the signalling.
func (p *NodePolicy) NAT(z *zones.Zone, subzone string) bool {
	i := p.in()
	if e := i.listed(z); e != nil {
		return bool(e.NAT)
	}
	if !registered(z, subzone) {
		return bool(i.of.DefaultZone.NAT)
	}
	if s := i.subzones[subzone]; s != nil {
		return bool(s.NAT)
	}
	return bool(i.of.DefaultSubzone.NAT)
}

// listed finds what the list says of a zone; nil: it is not one of the list.
func (i *index) listed(z *zones.Zone) *config.Zone {
	if z == nil || !z.Listed() {
		return nil
	}
	return i.zones[z.Name]
}

// registered: whoever is in a subzone is, and the Local Zone is where they are.
func registered(z *zones.Zone, subzone string) bool {
	return subzone != "" || z != nil && z.Type == zones.Local
}
