package userspace

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Control messages carry what the IP header of a datagram has or is to have.
const (
	cmsgHeader  = unix.SizeofCmsghdr // length, level, type
	cmsgInt     = cmsgHeader + 8     // with an int and its padding
	controlSize = 2 * cmsgInt

	_ = uint(cmsgHeader - 16) // a 32-bit system has shorter ones
)

type control [controlSize]byte

// put writes what a datagram is to be sent with and returns how long it is.
func (c *control) put(m relay.Meta, ipv4 bool) uint64 {
	level, class, limit := int32(unix.IPPROTO_IPV6), int32(unix.IPV6_TCLASS), int32(unix.IPV6_HOPLIMIT)
	if ipv4 {
		level, class, limit = unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TTL
	}
	putCmsg(c[:cmsgInt], level, class, m.TrafficClass)
	if m.HopLimit == 0 {
		return cmsgInt
	}
	putCmsg(c[cmsgInt:], level, limit, m.HopLimit)
	return 2 * cmsgInt
}

func putCmsg(b []byte, level, kind int32, value uint8) {
	binary.NativeEndian.PutUint64(b, cmsgHeader+4)
	binary.NativeEndian.PutUint32(b[8:], uint32(level))
	binary.NativeEndian.PutUint32(b[12:], uint32(kind))
	binary.NativeEndian.PutUint32(b[16:], uint32(value))
}

// meta reads what a datagram came with. The system writes the traffic class of IPv4
// as one byte and everything else as an int.
func meta(b []byte) (m relay.Meta) {
	for len(b) > cmsgHeader {
		n := int(binary.NativeEndian.Uint64(b))
		if n <= cmsgHeader || n > len(b) {
			break
		}
		level := binary.NativeEndian.Uint32(b[8:])
		kind := binary.NativeEndian.Uint32(b[12:])
		value := b[cmsgHeader]
		if n >= cmsgHeader+4 {
			value = uint8(binary.NativeEndian.Uint32(b[cmsgHeader:]))
		}
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_TOS,
			level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS:
			m.TrafficClass = value
		case level == unix.IPPROTO_IP && kind == unix.IP_TTL,
			level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT:
			m.HopLimit = value
		}
		b = b[min((n+7)&^7, len(b)):]
	}
	return m
}
