package userspace

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Socket buffers. All clients share a listener; a relay has one client.
const (
	listenerBuffer = 32 << 20
	relayBuffer    = 512 << 10
)

// listen returns a descriptor that is bound to local.
func listen(local netip.AddrPort) (int, error) {
	family := unix.AF_INET6
	if local.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := prepare(fd, local); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func prepare(fd int, local netip.AddrPort) error {
	options := ipv6Options
	if local.Addr().Is4() {
		options = ipv4Options
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set option %d of level %d: %w", o.name, o.level, err)
		}
	}
	if local.Addr().Is4() {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(local.Port()), Addr: local.Addr().As4()})
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16()})
}

type option struct{ level, name, value int }

// IP_RECVERR stays off: an ICMP error about one peer is no business of the others.
var (
	ipv4Options = []option{
		{unix.IPPROTO_IP, unix.IP_RECVTOS, 1},
		{unix.IPPROTO_IP, unix.IP_RECVTTL, 1},
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
	}
	ipv6Options = []option{
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
		{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT},
	}
)

// setFragmenting lets the system fragment what is larger than the MTU, or sets DF.
func setFragmenting(fd int, allowed bool) error {
	how := unix.IP_PMTUDISC_DO
	if allowed {
		how = unix.IP_PMTUDISC_DONT
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how)
}

// boundTo returns the address a descriptor is bound to.
func boundTo(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}

// tune gives the socket the buffers that its kind of port needs.
func (s *socket) tune(kind relay.PortKind) {
	size := relayBuffer
	s.listener.Store(kind == relay.PortListener)
	if kind == relay.PortListener {
		size = listenerBuffer
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return
	}
	grow(s.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, size)
	grow(s.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, size)
}

// crowd is how much may wait at a socket, in the system's reckoning (some 800 bytes for a
// request): about 50 ms of work.
const crowd = 4 << 20

// crowded reports whether more waits at the socket, or half of what finds room there.
func (s *socket) crowded() bool {
	var info [9]uint32 // SK_MEMINFO_VARS; the first is what waits, the second the room
	size := uint32(unsafe.Sizeof(info))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return false
	}
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && info[0] > min(crowd, info[1]/2)
}

// grow passes over the system's limit if it may, and goes up to it otherwise. A
// smaller buffer loses datagrams under load, which is no reason not to start.
func grow(fd, force, plain, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
}
