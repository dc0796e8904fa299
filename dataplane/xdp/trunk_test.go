package xdp

import (
	"net"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
)

// trunk is the system with VLAN devices, which not every kernel can make. What belongs to
// a real device (addresses, routes, neighbours) is shown as the VLAN's that stands for it;
// the frames go by the device under that. Everything else is the system's.
type trunk struct {
	system
	mu    sync.Mutex
	vlans []vlanOn
}

func onTrunk(vlans ...vlanOn) *trunk { return &trunk{vlans: vlans} }

// set changes which VLANs there are.
func (k *trunk) set(vlans ...vlanOn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.vlans = vlans
}

func (k *trunk) all() []vlanOn {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.vlans
}

// vlanOn is a VLAN device and the one whose addresses, routes and neighbours it has.
type vlanOn struct {
	*netlink.Vlan
	instead netlink.Link
}

// newVLAN is a VLAN device on top of a real one, in the place of another.
func newVLAN(name string, tag vlan, under, instead netlink.Link) vlanOn {
	a := netlink.NewLinkAttrs()
	a.Name, a.Index, a.ParentIndex = name, int(tag.typ)+int(tag.tci&0xfff), under.Attrs().Index
	a.MTU, a.RawFlags, a.EncapType = under.Attrs().MTU, under.Attrs().RawFlags, "ether"
	a.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0xe, byte(tag.tci)}
	v := &netlink.Vlan{
		LinkAttrs: a, VlanId: int(tag.tci & 0xfff), VlanProtocol: netlink.VlanProtocol(tag.typ),
		EgressQosMap: map[uint32]uint32{0: uint32(tag.tci >> 13)},
	}
	return vlanOn{v, instead}
}

func (k *trunk) LinkList() ([]netlink.Link, error) {
	links, err := k.system.LinkList()
	for _, v := range k.all() {
		links = append(links, v.Vlan)
	}
	return links, err
}

func (k *trunk) AddrList(link netlink.Link, family int) ([]netlink.Addr, error) {
	addrs, err := k.system.AddrList(link, family)
	for i := range addrs {
		addrs[i].LinkIndex = k.shown(addrs[i].LinkIndex)
	}
	return addrs, err
}

func (k *trunk) NeighList(ifindex, family int) ([]netlink.Neigh, error) {
	neighbours, err := k.system.NeighList(ifindex, family)
	for i := range neighbours {
		neighbours[i].LinkIndex = k.shown(neighbours[i].LinkIndex)
	}
	return neighbours, err
}

func (k *trunk) NeighSet(n *netlink.Neigh) error {
	real := *n
	for _, v := range k.all() {
		if v.Index == n.LinkIndex {
			real.LinkIndex = v.instead.Attrs().Index
		}
	}
	return k.system.NeighSet(&real)
}

func (k *trunk) RouteGetWithOptions(dst net.IP, options *netlink.RouteGetOptions) ([]netlink.Route, error) {
	routes, err := k.system.RouteGetWithOptions(dst, options)
	for i := range routes {
		routes[i].LinkIndex = k.shown(routes[i].LinkIndex)
	}
	return routes, err
}

// shown is the device in whose place a VLAN is shown, if there is one.
func (k *trunk) shown(real int) int {
	for _, v := range k.all() {
		if v.instead.Attrs().Index == real {
			return v.Index
		}
	}
	return real
}

// over returns the VLAN device in the place of a real one; nil: there is none.
func (k *trunk) over(real netlink.Link) *netlink.Vlan {
	for _, v := range k.all() {
		if v.instead.Attrs().Index == real.Attrs().Index {
			return v.Vlan
		}
	}
	return nil
}

// under returns the device that frames of a VLAN arrive at.
func (k *trunk) under(real netlink.Link) netlink.Link {
	if v := k.over(real); v != nil {
		return &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: v.ParentIndex}}
	}
	return real
}

// names are those of the node's interfaces.
func (k *trunk) names(real ...string) []string {
	names := slices.Clone(real)
	for i, name := range real {
		for _, v := range k.all() {
			if v.instead.Attrs().Name == name {
				names[i] = v.Name
			}
		}
	}
	return names
}

// tagKeeper are drivers that leave tags where they are: veth's says that it may not.
type tagKeeper struct{ drivers }

func (tagKeeper) stripsTags(string) (bool, error) { return false, nil }
