package transport

import (
	"fmt"
	"math/bits"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Local returns our address and listening port towards a hop: what Via, Contact and
// Record-Route say. It is the connection's, the hop's own, or the one on the side of the
// node that the route to it leaves by.
func (t *Transport) Local(h Hop) (netip.AddrPort, error) {
	h = h.plain()
	want, by := h.Local, h.Transport
	if h.Conn != nil {
		if !h.Conn.Dialled() { // of two ports at the address, the one that the other end can reach
			return h.Conn.Local(), nil
		}
		want, by = h.Conn.Local().Addr(), h.Conn.Transport()
	}
	byRoute := !want.IsValid()
	if byRoute {
		from, err := t.routes.source(h.Remote.Addr(), time.Now())
		if err != nil {
			return netip.AddrPort{}, err
		}
		want = from
	}
	if at, ok := nearest(t.listen[by], want, byRoute); ok {
		return at, nil
	}
	if h.Conn != nil { // what is answered comes back over it
		return h.Conn.Local(), nil
	}
	return netip.AddrPort{}, fmt.Errorf("send to %s from %s: no %s address for SIP is configured there", h.Remote, want, by)
}

// nearest returns the listening address that is addr. By route it may be another of the
// same side, because the kernel's choice is an interface's first address and SIP may be on
// its second: the one with the longest prefix in common.
func nearest(all []netip.AddrPort, addr netip.Addr, byRoute bool) (best netip.AddrPort, ok bool) {
	common := -1
	for _, at := range all {
		switch n := prefixInCommon(at.Addr(), addr); {
		case at.Addr() == addr:
			return at, true
		case byRoute && n > common:
			best, common = at, n
		}
	}
	return best, common >= 0
}

// prefixInCommon counts the bits, -1 for different families.
func prefixInCommon(a, b netip.Addr) int {
	if a.Is4() != b.Is4() {
		return -1
	}
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return i*8 + bits.LeadingZeros8(d)
		}
	}
	return 128
}

const (
	routeFor  = 5 * time.Second // until the kernel is asked again
	routesMax = 4096
)

// routes remembers which address of ours the kernel sends from.
type routes struct {
	mu  sync.Mutex
	all map[netip.Addr]routed
}

type routed struct {
	from  netip.Addr
	until time.Time
}

func (r *routes) source(to netip.Addr, now time.Time) (netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.all[to]; ok && now.Before(known.until) {
		return known.from, nil
	}
	from, err := askKernel(to)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find a route to %s: %w", to, err)
	}
	if r.all == nil || len(r.all) >= routesMax {
		r.all = make(map[netip.Addr]routed)
	}
	r.all[to] = routed{from, now.Add(routeFor)}
	return from, nil
}

// askKernel connects a datagram socket, which sends nothing, and looks at its name.
func askKernel(to netip.Addr) (netip.Addr, error) {
	family, dest := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: 9, Addr: to.As16()})
	if to.Is4() {
		family, dest = unix.AF_INET, &unix.SockaddrInet4{Port: 9, Addr: to.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := unix.Connect(fd, dest); err != nil {
		return netip.Addr{}, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, err
	}
	switch n := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(n.Addr), nil
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(n.Addr), nil
	}
	return netip.Addr{}, unix.EAFNOSUPPORT
}
