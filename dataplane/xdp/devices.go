package xdp

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device is what the table needs to know of a link.
type device struct {
	name      string
	mtu       int
	mac       [6]byte
	ethernet  bool
	up        bool
	sends     bool // takes redirected frames
	bounces   bool // takes frames back by XDP_TX
	sendsWhy  string
	refused   string // why the program never runs here; empty: it may
	under     int    // the device that its frames go by: itself, or that of a VLAN
	tag       uint32 // of a VLAN's frames, as on the wire; 0: none
	program   uint32 // number of the XDP program on it
	addresses []netip.Addr
}

func (d device) equal(e device) bool {
	addresses := slices.Equal(d.addresses, e.addresses)
	d.addresses, e.addresses = nil, nil
	return addresses && reflect.DeepEqual(d, e)
}

// drivers tells what the drivers of devices can do.
type drivers interface {
	// features returns the XDP features of a device.
	features(ifindex int) (uint64, error)
	// stripsTags reports whether a device takes VLAN tags off what it receives.
	stripsTags(name string) (bool, error)
	// queueStats returns the packets of each receive queue.
	queueStats(ifindex int) ([]uint64, error)
	close()
}

func (r *router) loadDevices() error {
	links, err := r.netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	r.devices = make(map[int]device, len(links))
	for _, l := range links {
		r.devices[l.Attrs().Index] = r.describe(l)
	}
	for _, l := range links {
		if v, ok := l.(*netlink.Vlan); ok {
			r.devices[v.Index] = r.onTop(r.devices[v.Index], v)
		}
	}
	addrs, err := r.netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		d, known := r.devices[a.LinkIndex]
		if ok && known {
			d.addresses = append(d.addresses, ip.Unmap())
			r.devices[a.LinkIndex] = d
		}
	}
	return nil
}

func (r *router) describe(l netlink.Link) device {
	a := l.Attrs()
	d := device{
		name:     a.Name,
		mtu:      a.MTU,
		ethernet: len(a.HardwareAddr) == 6 && a.EncapType == "ether",
		up:       a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0,
		under:    a.Index,
	}
	copy(d.mac[:], a.HardwareAddr)
	if a.Xdp != nil {
		d.program = a.Xdp.ProgId
	}
	features, err := r.drivers.features(a.Index)
	d.refused = unfit(l, features)
	d.sends, d.sendsWhy = takesRedirects(l, features, err)
	// What veth's XDP_TX sends stays in the far end's ring when that has no XDP program
	// itself: nobody is woken. A redirect to the same device does it.
	d.bounces = l.Type() != "veth"
	return d
}

// unfit says why a device is one that the program is never attached to and never sends
// by, whatever its driver offers; empty: it is none of those. Devices that merely have no
// XDP are told by the kernel's answer to an attachment.
func unfit(l netlink.Link, features uint64) string {
	const processRelays = "the process relays; use an interface that is a network card or a veth, or a VLAN on one"
	name, kind := l.Attrs().Name, l.Type()
	switch kind {
	case "bond", "team":
		has := "its driver or one of its members has no XDP"
		if features&featureBasic != 0 {
			has = "its driver and all its members have XDP, but a packet's way through a bond is not known to be right"
		}
		return fmt.Sprintf("no XDP on %s: it is a %s (%s); %s", name, kind, has, processRelays)
	case "bridge", "macvlan", "macvtap", "ipvlan", "ipvtap", "tuntap", "dummy", "ifb", "vxlan", "geneve",
		"gretap", "ip6gretap", "vrf", "wireguard", "hsr":
		return fmt.Sprintf("no XDP on %s: it is a %s device, made of software; %s", name, kind, processRelays)
	}
	if features&featureBasic != 0 && features&featureRedirect == 0 {
		return fmt.Sprintf("no XDP on %s: its driver cannot redirect frames; %s", name, processRelays)
	}
	return ""
}

// takesRedirects reports whether a device sends frames that XDP redirects to it. The
// kernel throws them away where it does not.
func takesRedirects(l netlink.Link, features uint64, err error) (bool, string) {
	switch {
	case err != nil:
		return false, err.Error()
	case features&featureXmit != 0:
		return true, ""
	case l.Type() == "veth":
		return false, "the veth's other end took neither GRO (ethtool -K PEER gro off, then on) nor an XDP program while it was up"
	}
	return false, "the driver cannot send redirected frames"
}

// ownerOf returns the interface that has a local address.
func (r *router) ownerOf(addr netip.Addr) (int, bool) {
	for index, d := range r.devices {
		if slices.Contains(d.addresses, addr) {
			return index, true
		}
	}
	return 0, false
}

// find returns the interface of that name. One that was renamed goes on under its number,
// as long as no other has taken its name. 0: it is not there.
func (r *router) find(name string, before int) int {
	for index, d := range r.devices {
		if d.name == name {
			return index
		}
	}
	if _, renamed := r.devices[before]; renamed {
		return before
	}
	return 0
}
