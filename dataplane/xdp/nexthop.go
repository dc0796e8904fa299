package xdp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
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

// system is what the router asks the kernel; a *netlink.Handle answers.
type system interface {
	LinkList() ([]netlink.Link, error)
	AddrList(link netlink.Link, family int) ([]netlink.Addr, error)
	NeighList(ifindex, family int) ([]netlink.Neigh, error)
	NeighSet(n *netlink.Neigh) error
	RouteGetWithOptions(dst net.IP, options *netlink.RouteGetOptions) ([]netlink.Route, error)
	Close()
}

var _ system = (*netlink.Handle)(nil)

// router knows the next hop of every flow: the routes that the kernel answered, the
// neighbours that it told, and the devices. Changes empty what they may have changed.
type router struct {
	netlink    system
	drivers    drivers
	devices    map[int]device
	ways       map[routeKey]way
	neighbours map[neighbourKey]neighbour
	managed    map[neighbourKey]bool
	idle       map[neighbourKey]bool // managed, and no flow goes there
}

func newRouter() (*router, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	d, err := newNetdev(h)
	if err != nil {
		h.Close()
		return nil, err
	}
	return &router{
		netlink: h, drivers: d, ways: map[routeKey]way{}, managed: map[neighbourKey]bool{}, idle: map[neighbourKey]bool{},
	}, nil
}

func (r *router) close() {
	r.netlink.Close()
	r.drivers.close()
}

// maxWays bounds the cache of routes.
const maxWays = 65536

// reload reads devices, addresses and neighbours anew and forgets the routes.
func (r *router) reload() error {
	clear(r.ways)
	return errors.Join(r.loadDevices(), r.loadNeighbours())
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

// next works out the next hop from src to dst, or why there is none.
func (r *router) next(src, dst netip.Addr) (hop, string) {
	w := r.way(src, dst)
	return w.hop, w.reason
}

// resolve works out what the program needs to send to a hop, or why it cannot. A VLAN
// device's neighbours, link address and MTU are its own; the frames go by the device
// under it.
func (r *router) resolve(h hop) (bpf.RelayHop, string) {
	var e bpf.RelayHop
	d, ok := r.devices[h.ifindex]
	if !ok {
		return e, fmt.Sprintf("the interface to %s is gone", h.via)
	}
	if why := r.cannotSend(d); why != "" {
		return e, why
	}
	key := neighbourKey{h.ifindex, h.via}
	to, ok := r.neighbours[key]
	if !to.fixed {
		r.manage(key)
	}
	if !ok {
		return e, fmt.Sprintf("the link address of %s on %s is not known yet", h.via, d.name)
	}
	under := r.devices[d.under]
	mtu := min(d.mtu, under.mtu)
	if h.mtu > 0 {
		mtu = min(mtu, h.mtu)
	}
	if under.bounces {
		e.Ifindex = uint32(d.under)
	}
	e.Mtu = uint16(min(mtu, 1<<16-1))
	copy(e.Macs[:6], to.mac[:])
	copy(e.Macs[6:], d.mac[:])
	e.Usable = d.tag
	if d.tag == 0 {
		e.Usable = hopUntagged
	}
	return e, ""
}

// hopUntagged is HOP_UNTAGGED in bpf/layout.h.
const hopUntagged = 1

// cannotSend says why the program cannot send by a device; empty when it can.
func (r *router) cannotSend(d device) string {
	under := r.devices[d.under]
	switch {
	case d.refused != "":
		return d.refused
	case !d.up:
		return fmt.Sprintf("interface %s is down", d.name)
	case !under.up:
		return fmt.Sprintf("interface %s under %s is down", under.name, d.name)
	case !d.ethernet:
		return fmt.Sprintf("interface %s is no Ethernet device", d.name)
	case !under.sends:
		return fmt.Sprintf("cannot redirect to %s: %s", under.name, under.sendsWhy)
	}
	return ""
}

// manage has the kernel keep a neighbour's link address known (NTF_EXT_MANAGED).
func (r *router) manage(key neighbourKey) {
	delete(r.idle, key)
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

// release takes in that no flow goes to a neighbour any more. The kernel is told later: the next call often goes
// there again.
func (r *router) release(h hop) {
	if key := (neighbourKey{h.ifindex, h.via}); r.managed[key] {
		r.idle[key] = true
	}
}

// letGo has the kernel age the neighbours that no flow goes to.
func (r *router) letGo() {
	for key := range r.idle {
		if r.managed[key] {
			delete(r.managed, key)
			n := neighbourMessage(key)
			n.Flags = netlink.NTF_USE
			_ = r.netlink.NeighSet(n) // the neighbour or its device may be gone
		}
	}
	clear(r.idle)
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
