package xdp

import "github.com/vishvananda/netlink"

// Capability is what can be told of XDP on a device before a program is on it (ME-03).
type Capability struct {
	Native  bool   // the driver runs programs that redirect
	Sends   bool   // takes frames that were redirected to it
	Refused string // why the node does not attach to it whatever its driver offers
}

// CapabilityOf asks about a link of the calling thread's namespace.
func CapabilityOf(l netlink.Link) (c Capability, err error) {
	h, err := netlink.NewHandle()
	if err != nil {
		return c, err
	}
	defer h.Close()
	n, err := newNetdev(h)
	if err != nil {
		return c, err
	}
	defer n.close()
	f, err := n.features(l.Attrs().Index)
	if err != nil {
		return c, err
	}
	return Capability{
		Native:  f&featureBasic != 0 && f&featureRedirect != 0,
		Sends:   f&featureXmit != 0,
		Refused: unfit(l, f),
	}, nil
}
