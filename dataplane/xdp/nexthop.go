package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
)

// hop is a next hop as the routing table gives it: an interface and who is asked
// there. Flows with the same hop share its entry in the program's table.
type hop struct {
	ifindex int
	via     netip.Addr
	mtu     int // of the route; 0: the device's
}

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
	program   uint32 // number of the XDP program on it
	addresses []netip.Addr
}

func (d device) equal(e device) bool {
	addresses := slices.Equal(d.addresses, e.addresses)
	d.addresses, e.addresses = nil, nil
	return addresses && reflect.DeepEqual(d, e)
}

type routeKey struct{ src, dst netip.Addr }

// way is what the routing table says about a destination.
type way struct {
	hop    hop
	reason string // there is none
}

type neighbourKey struct {
	ifindex int
	ip      netip.Addr
}

type neighbour struct {
	mac [6]byte
	// fixed: somebody else keeps it (the operator, a routing daemon), and a request to
	// manage it would undo that.
	fixed bool
}

// router knows the next hop of every flow: the routes that the kernel answered, the
// neighbours that it told, and the devices. Changes empty what they may have changed.
type router struct {
	netlink    *netlink.Handle
	generic    *nl.SocketHandle // for what the handle does not know
	family     uint16           // of netlink's netdev
	devices    map[int]device
	ways       map[routeKey]way
	neighbours map[neighbourKey]neighbour
	managed    map[neighbourKey]bool
}

func newRouter() (*router, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	family, err := h.GenlFamilyGet("netdev")
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("find netlink family netdev: %w", err)
	}
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_GENERIC)
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &router{
		netlink: h, generic: &nl.SocketHandle{Socket: s}, family: family.ID,
		ways: map[routeKey]way{}, managed: map[neighbourKey]bool{},
	}, nil
}

func (r *router) close() {
	r.netlink.Close()
	r.generic.Close()
}

// maxWays bounds the cache of routes.
const maxWays = 65536

// reload reads devices, addresses and neighbours anew and forgets the routes.
func (r *router) reload() error {
	clear(r.ways)
	return errors.Join(r.loadDevices(), r.loadNeighbours())
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
	}
	copy(d.mac[:], a.HardwareAddr)
	if a.Xdp != nil {
		d.program = a.Xdp.ProgId
	}
	d.sends, d.sendsWhy = r.takesRedirects(l)
	// What veth's XDP_TX sends stays in the far end's ring when that has no XDP program
	// itself: nobody is woken. A redirect to the same device does it.
	d.bounces = l.Type() != "veth"
	return d
}

// takesRedirects reports whether a device sends frames that XDP redirects to it. The
// kernel throws them away where it does not.
func (r *router) takesRedirects(l netlink.Link) (bool, string) {
	f, err := r.features(l.Attrs().Index)
	switch {
	case err != nil:
		return false, err.Error()
	case f&featureXmit != 0:
		return true, ""
	case l.Type() == "veth":
		return false, "the veth's other end took neither GRO (ethtool -K PEER gro off, then on) nor an XDP program while it was up"
	}
	return false, "the driver cannot send redirected frames"
}

func (r *router) loadNeighbours() error {
	list, err := r.netlink.NeighList(0, 0)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	r.neighbours = make(map[neighbourKey]neighbour, len(list))
	for i := range list {
		r.learn(&list[i])
	}
	return nil
}

// usable are the states in which the kernel itself sends to a neighbour.
const usable = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY |
	netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP

// learn takes in what the kernel says of a neighbour and reports a change.
func (r *router) learn(n *netlink.Neigh) bool {
	ip, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return false
	}
	key := neighbourKey{n.LinkIndex, ip.Unmap()}
	old, had := r.neighbours[key]
	if n.State&usable == 0 || len(n.HardwareAddr) != 6 {
		delete(r.neighbours, key)
		return had
	}
	is := neighbour{
		mac:   [6]byte(n.HardwareAddr),
		fixed: n.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) != 0 || n.Flags&netlink.NTF_EXT_LEARNED != 0,
	}
	if is.fixed {
		delete(r.managed, key)
	}
	r.neighbours[key] = is
	return !had || is.mac != old.mac
}

// forget takes in that the kernel deleted a neighbour, and with it our request to
// manage it.
func (r *router) forget(n *netlink.Neigh) bool {
	if ip, ok := netip.AddrFromSlice(n.IP); ok {
		delete(r.managed, neighbourKey{n.LinkIndex, ip.Unmap()})
	}
	n.State = netlink.NUD_NONE
	return r.learn(n)
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

// next works out the next hop from src to dst, or why there is none.
func (r *router) next(src, dst netip.Addr) (hop, string) {
	w := r.way(src, dst)
	return w.hop, w.reason
}

// resolve works out what the program needs to send to a hop, or why it cannot.
func (r *router) resolve(h hop) (bpf.RelayHop, string) {
	var e bpf.RelayHop
	d, ok := r.devices[h.ifindex]
	switch {
	case !ok:
		return e, fmt.Sprintf("the interface to %s is gone", h.via)
	case !d.up:
		return e, fmt.Sprintf("interface %s to %s is down", d.name, h.via)
	case !d.ethernet:
		return e, fmt.Sprintf("interface %s to %s is no Ethernet device", d.name, h.via)
	case !d.sends:
		return e, fmt.Sprintf("cannot redirect to %s: %s", d.name, d.sendsWhy)
	}
	key := neighbourKey{h.ifindex, h.via}
	to, ok := r.neighbours[key]
	if !to.fixed {
		r.manage(key)
	}
	if !ok {
		return e, fmt.Sprintf("the link address of %s on %s is not known yet", h.via, d.name)
	}
	mtu := d.mtu
	if h.mtu > 0 {
		mtu = min(mtu, h.mtu)
	}
	if d.bounces {
		e.Ifindex = uint32(h.ifindex)
	}
	e.Mtu = uint16(min(mtu, 1<<16-1))
	copy(e.Macs[:6], to.mac[:])
	copy(e.Macs[6:], d.mac[:])
	e.Usable = 1
	return e, ""
}

// manage has the kernel keep a neighbour's link address known (NTF_EXT_MANAGED).
func (r *router) manage(key neighbourKey) {
	if r.managed[key] {
		return
	}
	n := neighbourMessage(key)
	n.FlagsExt = netlink.NTF_EXT_MANAGED
	// Without it the neighbour is resolved by the packets that the process sends.
	if err := r.netlink.NeighSet(n); err == nil {
		r.managed[key] = true
	}
}

// release lets the kernel age a neighbour that no flow goes to any more.
func (r *router) release(h hop) {
	key := neighbourKey{h.ifindex, h.via}
	if !r.managed[key] {
		return
	}
	delete(r.managed, key)
	n := neighbourMessage(key)
	n.Flags = netlink.NTF_USE
	_ = r.netlink.NeighSet(n) // the neighbour or its device may be gone
}

func neighbourMessage(key neighbourKey) *netlink.Neigh {
	family := netlink.FAMILY_V4
	if key.ip.Is6() {
		family = netlink.FAMILY_V6
	}
	return &netlink.Neigh{LinkIndex: key.ifindex, Family: family, IP: key.ip.AsSlice()}
}

func (r *router) way(src, dst netip.Addr) way {
	key := routeKey{src, dst}
	if w, ok := r.ways[key]; ok {
		return w
	}
	if len(r.ways) >= maxWays {
		clear(r.ways)
	}
	w := r.lookUp(src, dst)
	r.ways[key] = w
	return w
}

func (r *router) lookUp(src, dst netip.Addr) way {
	routes, err := r.netlink.RouteGetWithOptions(dst.AsSlice(), &netlink.RouteGetOptions{SrcAddr: src.AsSlice()})
	if err != nil || len(routes) == 0 {
		return way{reason: fmt.Sprintf("no route from %s to %s", src, dst)}
	}
	route := routes[0]
	if route.Type == unix.RTN_LOCAL {
		return way{reason: fmt.Sprintf("%s is an address of this node", dst)}
	}
	if route.Type != unix.RTN_UNICAST {
		return way{reason: fmt.Sprintf("the route from %s to %s is not unicast", src, dst)}
	}
	h := hop{ifindex: route.LinkIndex, via: dst, mtu: route.MTU}
	if gw, ok := netip.AddrFromSlice(route.Gw); ok {
		h.via = gw.Unmap()
	} else if via, ok := route.Via.(*netlink.Via); ok {
		if gw, ok := netip.AddrFromSlice(via.Addr); ok {
			h.via = gw
		}
	}
	return way{hop: h}
}
