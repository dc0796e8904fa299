package xdp

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// paper is a system of which there is only a list of links.
type paper struct {
	system
	links []netlink.Link
}

func (p paper) LinkList() ([]netlink.Link, error)                      { return p.links, nil }
func (p paper) AddrList(netlink.Link, int) ([]netlink.Addr, error)     { return nil, nil }
func (p paper) NeighSet(*netlink.Neigh) error                          { return nil }
func (p paper) NeighList(ifindex, family int) ([]netlink.Neigh, error) { return nil, nil }

// onPaper are drivers by the index of the device: 0 has everything.
type onPaper struct {
	xdp    map[int]uint64
	strips map[string]bool
}

func (o onPaper) features(ifindex int) (uint64, error) {
	if f, ok := o.xdp[ifindex]; ok {
		return f, nil
	}
	return featureBasic | featureRedirect | featureXmit, nil
}

func (o onPaper) stripsTags(name string) (bool, error) {
	if name == "odd0" {
		return false, errors.New("it does not tell")
	}
	return o.strips[name], nil
}

func (o onPaper) queueStats(int) ([]uint64, error) { return nil, errors.ErrUnsupported }
func (o onPaper) close()                           {}

// linkOf is what every link has.
func linkOf(index int, name string, change ...func(*netlink.LinkAttrs)) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Index, a.Name, a.MTU, a.EncapType = index, name, 1500, "ether"
	a.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, byte(index)}
	a.RawFlags = unix.IFF_UP | unix.IFF_RUNNING
	for _, c := range change {
		c(&a)
	}
	return a
}

func parent(index int) func(*netlink.LinkAttrs) {
	return func(a *netlink.LinkAttrs) { a.ParentIndex = index }
}
func mtu(n int) func(*netlink.LinkAttrs) { return func(a *netlink.LinkAttrs) { a.MTU = n } }
func notRunning(a *netlink.LinkAttrs)    { a.RawFlags = unix.IFF_UP }
func elsewhere(a *netlink.LinkAttrs)     { a.NetNsID = 3 }

// A VLAN device is resolved to the device under it and its tag, or refused.
// ME-04
func TestVLANDevices(t *testing.T) {
	r := &router{
		managed: map[neighbourKey]bool{},
		drivers: onPaper{
			xdp:    map[int]uint64{4: featureBasic | featureRedirect, 5: 0, 6: featureBasic},
			strips: map[string]bool{"strip0": true},
		},
		netlink: paper{links: []netlink.Link{
			&netlink.Vlan{LinkAttrs: linkOf(10, "eth0.10", parent(1)), VlanId: 10, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q},
			&netlink.Device{LinkAttrs: linkOf(1, "eth0")},
			&netlink.Device{LinkAttrs: linkOf(2, "strip0")},
			&netlink.Bond{LinkAttrs: linkOf(3, "bond0")},
			&netlink.Device{LinkAttrs: linkOf(4, "noxmit0")},
			&netlink.Device{LinkAttrs: linkOf(5, "down0", notRunning)},
			&netlink.Device{LinkAttrs: linkOf(6, "noredirect0")},
			&netlink.Device{LinkAttrs: linkOf(7, "odd0")},
			&netlink.Device{LinkAttrs: linkOf(8, "small0", mtu(1400))},
			&netlink.Veth{LinkAttrs: linkOf(9, "veth0")},
			&netlink.Vlan{LinkAttrs: linkOf(11, "ad", parent(1), mtu(1492)), VlanId: 4094, VlanProtocol: netlink.VLAN_PROTOCOL_8021AD},
			&netlink.Vlan{LinkAttrs: linkOf(12, "voice", parent(1)), VlanId: 5, EgressQosMap: map[uint32]uint32{0: 5, 1: 6}},
			&netlink.Vlan{LinkAttrs: linkOf(13, "stripped", parent(2)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(14, "bonded", parent(3)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(15, "twice", parent(10)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(16, "far", parent(1), elsewhere), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(17, "orphan", parent(99)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(18, "isdown", parent(1), notRunning), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(19, "underdown", parent(5)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(20, "noxmit", parent(4)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(21, "noredirect", parent(6)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(22, "odd", parent(7)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(23, "small", parent(8)), VlanId: 5},
			&netlink.Vlan{LinkAttrs: linkOf(24, "onveth", parent(9)), VlanId: 5},
		}},
	}
	if err := r.reload(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dev     string
		tag     string // on the wire
		ifindex uint32 // for XDP_TX
		mtu     uint16
		reason  string
	}{
		{"eth0", "", 1, 1500, ""},
		{"eth0.10", "8100000a", 1, 1500, ""},
		{"ad", "88a80ffe", 1, 1492, ""},
		{"voice", "8100a005", 1, 1500, ""},
		{"small", "81000005", 8, 1400, ""},
		{"onveth", "81000005", 0, 1500, ""},
		{"stripped", "", 0, 0, "strip0 takes the VLAN tags off before XDP sees them; `ethtool -K strip0 rxvlan off` mends it"},
		{"strip0", "", 2, 1500, ""},
		{"bonded", "", 0, 0, "no XDP on bond0: it is a bond (its driver and all its members have XDP, but"},
		{"bond0", "", 0, 0, "no XDP on bond0: it is a bond"},
		{"twice", "", 0, 0, "it is a VLAN inside the VLAN eth0.10"},
		{"far", "", 0, 0, "the interface under it is in another network namespace"},
		{"orphan", "", 0, 0, "the interface under it is gone"},
		{"isdown", "", 0, 0, "interface isdown is down"},
		{"underdown", "", 0, 0, "interface down0 under underdown is down"},
		{"noxmit", "", 0, 0, "cannot redirect to noxmit0: the driver cannot send redirected frames"},
		{"noredirect", "", 0, 0, "no XDP on noredirect0: its driver cannot redirect frames"},
		{"odd", "", 0, 0, "no XDP on odd: it does not tell"},
	} {
		t.Run(tt.dev, func(t *testing.T) {
			index := r.find(tt.dev, 0)
			h := hop{ifindex: index, via: peer4.Addr()}
			r.neighbours[neighbourKey{index, h.via}] = neighbour{mac: peerMAC}
			e, why := r.resolve(h)
			if !strings.Contains(why, tt.reason) || (why == "") != (tt.reason == "") {
				t.Fatalf("reason %q, want %q", why, tt.reason)
			}
			if why != "" {
				return
			}
			tag := ""
			if e.Usable != hopUntagged {
				tag = fmt.Sprintf("%08x", swap32(e.Usable))
			}
			macs := [12]byte{6: 2, 11: byte(index)}
			copy(macs[:], peerMAC[:])
			if tag != tt.tag || e.Ifindex != tt.ifindex || e.Mtu != tt.mtu || e.Macs != macs {
				t.Errorf("tag %s, ifindex %d, MTU %d, addresses %x", tag, e.Ifindex, e.Mtu, e.Macs)
			}
		})
	}
	on := func(ifindex int) bool { return ifindex == 1 }
	want := map[int][]uint32{10: {2}, 4094: {3}, 5: {2, 2}} // the one that is down counts
	if diff := cmp.Diff(want, r.vlans(on)); diff != "" {
		t.Errorf("VLANs (-want +got):\n%s", diff)
	}
}

// Devices of software are refused by what they are, not by what they answer.
// ME-04
func TestUnfitDevices(t *testing.T) {
	const all = featureBasic | featureRedirect | featureXmit
	for _, tt := range []struct {
		link     netlink.Link
		features uint64
		want     string // none: fit
	}{
		{&netlink.Device{LinkAttrs: linkOf(1, "eth0")}, all, ""},
		{&netlink.Device{LinkAttrs: linkOf(1, "eth0")}, 0, ""}, // the kernel says so when asked
		{&netlink.Veth{LinkAttrs: linkOf(1, "veth0")}, featureBasic | featureRedirect, ""},
		{&netlink.Device{LinkAttrs: linkOf(1, "eth0")}, featureBasic, "its driver cannot redirect frames"},
		{&netlink.Bond{LinkAttrs: linkOf(1, "bond0")}, all, "bond (its driver and all its members have XDP, but"},
		{&netlink.Bond{LinkAttrs: linkOf(1, "bond0")}, 0, "bond (its driver or one of its members has no XDP)"},
		{&netlink.GenericLink{LinkAttrs: linkOf(1, "team0"), LinkType: "team"}, 0, "team (its driver or one of its members has no XDP)"},
		{&netlink.Bridge{LinkAttrs: linkOf(1, "br0")}, 0, "bridge device, made of software"},
		{&netlink.Macvlan{LinkAttrs: linkOf(1, "mv0")}, 0, "macvlan device"},
		{&netlink.Tuntap{LinkAttrs: linkOf(1, "tap0")}, all, "tuntap device"},
		{&netlink.Dummy{LinkAttrs: linkOf(1, "dummy0")}, featureXmit, "dummy device"},
		{&netlink.Vxlan{LinkAttrs: linkOf(1, "vx0")}, 0, "vxlan device"},
		{&netlink.IPVlan{LinkAttrs: linkOf(1, "iv0")}, 0, "ipvlan device"},
	} {
		t.Run(fmt.Sprintf("%s %#x", tt.link.Type(), tt.features), func(t *testing.T) {
			why := unfit(tt.link, tt.features)
			if !strings.Contains(why, tt.want) || (why == "") != (tt.want == "") {
				t.Errorf("refused for %q, want %q", why, tt.want)
			}
			if why != "" && !strings.HasPrefix(why, "no XDP on "+tt.link.Attrs().Name+": ") {
				t.Errorf("does not say of what it speaks: %q", why)
			}
		})
	}
}

// Devices that this kernel can make: the program is never on them, also where generic
// XDP is allowed, and never sends by them.
// ME-04
func TestDevicesOfSoftware(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	attrs := func(name string) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name = name
		return a
	}
	on := attrs("mv0")
	on.ParentIndex = deviceNamed(t, "s1").Attrs().Index
	made := []netlink.Link{
		&netlink.Bridge{LinkAttrs: attrs("br0")},
		&netlink.Macvlan{LinkAttrs: on, Mode: netlink.MACVLAN_MODE_BRIDGE},
		&netlink.Tuntap{LinkAttrs: attrs("tap0"), Mode: netlink.TUNTAP_MODE_TAP},
		&netlink.Vxlan{LinkAttrs: attrs("vx0"), VxlanId: 7, Port: 4789},
		&netlink.Ifb{LinkAttrs: attrs("ifb9")},
		&netlink.Bond{LinkAttrs: attrs("bond9")}, // not every kernel has these two
		&netlink.Dummy{LinkAttrs: attrs("dummy9")},
	}
	var names []string
	for _, l := range made {
		err := netlink.LinkAdd(l)
		if errors.Is(err, unix.EOPNOTSUPP) && (l.Type() == "bond" || l.Type() == "dummy") {
			continue
		}
		if err != nil {
			t.Fatalf("make a %s: %v", l.Type(), err)
		}
		if err := netlink.LinkSetUp(deviceNamed(t, l.Attrs().Name)); err != nil {
			t.Fatal(err)
		}
		names = append(names, l.Attrs().Name)
	}
	b := activated(t, Config{PinDir: pinDir(t), Interfaces: names, Generic: true})
	for i, is := range b.Status().Interfaces {
		if is.Mode != ModeNone || !strings.Contains(is.Reason, "no XDP on "+names[i]+": it is a ") {
			t.Errorf("%+v", is)
		}
		if program, _ := attached(t, names[i]); program != 0 {
			t.Errorf("program %d is on %s", program, names[i])
		}
		b.mu.Lock() // the watch reads devices anew
		_, why := b.router.resolve(hop{ifindex: b.router.find(names[i], 0), via: peer4.Addr()})
		b.mu.Unlock()
		if why != is.Reason {
			t.Errorf("to send by %s: %q", names[i], why)
		}
	}
	if b.Status().Interfaces[0].Reason != "no XDP on br0: it is a bridge device, made of software; "+
		"the process relays; use an interface that is a network card or a veth, or a VLAN on one" {
		t.Errorf("reason is %q", b.Status().Interfaces[0].Reason)
	}
}

// Whether a device takes tags off is what ethtool says.
// ME-04
func TestStripsTags(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	for _, on := range []uint32{1 << 8, 0} { // ETH_FLAG_RXVLAN
		if err := ethtool("s0", words(unix.ETHTOOL_SFLAGS, on)); err != nil {
			t.Fatal(err)
		}
		if is, err := stripsTags("s0"); is != (on != 0) || err != nil {
			t.Errorf("flags %#x: strips %t, %v", on, is, err)
		}
	}
	if _, err := stripsTags("s7"); err == nil {
		t.Error("an interface that is not there has features")
	}
}
