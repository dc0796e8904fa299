package xdp

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The twins of what bpf/layout.h says of VLANs.
const (
	vlanWays   = 4
	vlan8021AD = 1
)

// onTop completes what is known of a VLAN device by the device under it, where its frames
// arrive and leave with a tag. The program meets them there.
func (r *router) onTop(d device, v *netlink.Vlan) device {
	d.tag = vlanTag(v)
	under, there := r.devices[v.ParentIndex]
	switch {
	case v.NetNsID >= 0 || v.ParentIndex == 0:
		d.refused = fmt.Sprintf("no XDP on %s: the interface under it is in another network namespace; put both into one", d.name)
		return d
	case !there:
		d.refused = fmt.Sprintf("no XDP on %s: the interface under it is gone", d.name)
		return d
	}
	d.under = v.ParentIndex
	switch {
	case under.tag != 0 || under.under != v.ParentIndex:
		d.refused = fmt.Sprintf("no XDP on %s: it is a VLAN inside the VLAN %s, and frames with two tags are the system's; the process relays", d.name, under.name)
	case under.refused != "":
		d.refused = under.refused
	default:
		d.refused = r.hidesTags(d, under)
	}
	return d
}

// hidesTags says so when the device under a VLAN takes the tags off: its frames look to
// the program as if they had none, whatever VLAN they are of.
func (r *router) hidesTags(d, under device) string {
	strips, err := r.drivers.stripsTags(under.name)
	switch {
	case err != nil:
		return fmt.Sprintf("no XDP on %s: %v", d.name, err)
	case strips:
		return fmt.Sprintf("no XDP on %s: %s takes the VLAN tags off before XDP sees them; `ethtool -K %s rxvlan off` mends it", d.name, under.name, under.name)
	}
	return ""
}

// vlanTag is the tag of what a VLAN device sends, as it stands on the wire. What it
// sends without anything special (priority 0) has the priority that the device's map says.
func vlanTag(v *netlink.Vlan) uint32 {
	typ := uint16(v.VlanProtocol)
	if typ == 0 {
		typ = unix.ETH_P_8021Q
	}
	const bits = 13
	tci := uint16(v.EgressQosMap[0]&7)<<bits | uint16(v.VlanId)&0xfff
	var tag [4]byte
	binary.BigEndian.PutUint16(tag[:], typ)
	binary.BigEndian.PutUint16(tag[2:], tci)
	return binary.NativeEndian.Uint32(tag[:])
}

// vlanID returns the VLAN of a tag, and whether it is one of IEEE 802.1ad.
func vlanID(tag uint32) (id int, ad bool) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], tag)
	return int(binary.BigEndian.Uint16(b[2:]) & 0xfff), binary.BigEndian.Uint16(b[:]) == unix.ETH_P_8021AD
}

// vlans are the VLANs that the node is in, as the program has them: by number, on which
// devices.
func (r *router) vlans(on func(ifindex int) bool) map[int][]uint32 {
	in := map[int][]uint32{}
	for _, d := range r.devices {
		if d.tag == 0 || d.refused != "" || !on(d.under) {
			continue
		}
		id, ad := vlanID(d.tag)
		entry := uint32(d.under) << 1
		if ad {
			entry |= vlan8021AD
		}
		in[id] = append(in[id], entry)
	}
	return in
}

// setVLANs brings the program's VLANs up to date. What stays is not touched: packets are
// on their way. A number on more devices than there are places for is the system's there.
func (m *memory) setVLANs(in map[int][]uint32) {
	for id := range m.vlans {
		row, wanted := &m.vlans[id], map[uint32]bool{}
		for _, entry := range in[id] {
			wanted[entry] = true
		}
		for way := range row {
			if entry := row[way]; wanted[entry] {
				delete(wanted, entry)
			} else if entry != 0 {
				atomic.StoreUint32(&row[way], 0)
			}
		}
		for entry := range wanted {
			for way := range row {
				if row[way] == 0 {
					atomic.StoreUint32(&row[way], entry)
					break
				}
			}
		}
	}
}
