package userspace

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	sockaddr4Size = 16
	sockaddr6Size = 28
)

// sockaddr is a socket address as the system reads and writes it: family in the
// machine's order, port in network order, then an IPv4 address, or a flow label, an
// IPv6 address and a scope.
type sockaddr [sockaddr6Size]byte

// set writes an address and returns its length.
func (a *sockaddr) set(ap netip.AddrPort) uint32 {
	*a = sockaddr{}
	binary.BigEndian.PutUint16(a[2:], ap.Port())
	if ip := ap.Addr(); ip.Is4() {
		binary.NativeEndian.PutUint16(a[:], unix.AF_INET)
		v4 := ip.As4()
		copy(a[4:], v4[:])
		return sockaddr4Size
	}
	binary.NativeEndian.PutUint16(a[:], unix.AF_INET6)
	v6 := ap.Addr().As16()
	copy(a[8:], v6[:])
	return sockaddr6Size
}

func (a *sockaddr) isIPv4() bool {
	return binary.NativeEndian.Uint16(a[:]) == unix.AF_INET
}

func (a *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(a[2:])
	if a.isIPv4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a[8:24])), port)
}

// sender tells the flows of one port apart. It has no pointers and is hashed in one
// go, which a relay.Key is not. All senders of a port are of its address family.
type sender struct {
	addr    [16]byte
	port    uint16
	channel uint16
}

func (a *sockaddr) sender(channel uint16) (s sender) {
	s.port = binary.BigEndian.Uint16(a[2:])
	s.channel = channel
	if a.isIPv4() {
		copy(s.addr[:], a[4:8])
	} else {
		copy(s.addr[:], a[8:24])
	}
	return s
}

func senderOf(ap netip.AddrPort, channel uint16) sender {
	var a sockaddr
	a.set(ap)
	return a.sender(channel)
}
