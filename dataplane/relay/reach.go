package relay

import (
	"bytes"
	"net/netip"
)

// Reserved reports whether the address is nobody's to relay to: unspecified and
// "this network", loopback, link-local, multicast, broadcast, reserved. Of IPv6 that
// is everything but global unicast, unique local, and the well-known translation
// prefix, whose IPv4 address is judged as well.
func Reserved(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] == 0 || b[0] == 127 || b[0] >= 224 || b[0] == 169 && b[1] == 254
	}
	b := a.As16()
	global, uniqueLocal := b[0]>>5 == 1, b[0]>>1 == 0xfc>>1 // 2000::/3, fc00::/7
	return !global && !uniqueLocal && !isNAT64(b)
}

// AppendEmbedded appends the IPv4 addresses that an IPv6 address may stand for.
// Somewhere on the way a translator or a tunnel may turn one into the other, so a
// refusal that looks at the outer address only is none (ME-07). IPv4-mapped
// addresses are not here: they are made IPv4 before anything else.
func AppendEmbedded(list []netip.Addr, a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return list
	}
	b := a.As16()
	switch {
	case isNAT64(b), zero(b[:12]): // NAT64 (RFC 6052), IPv4-compatible (RFC 4291)
		list = append(list, v4(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02: // 6to4 (RFC 3056)
		list = append(list, v4(b[2:]))
	case bytes.HasPrefix(b[:], []byte{0x20, 0x01, 0, 0}): // Teredo (RFC 4380): server, client
		list = append(list, v4(b[4:]), v4([]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	// ISATAP (RFC 5214): an interface identifier under any prefix.
	if b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		list = append(list, v4(b[12:]))
	}
	return list
}

// isNAT64: 64:ff9b::/96. Of the local translation prefix 64:ff9b:1::/48 (RFC 8215)
// nobody outside can tell which layout it has, so that is refused as a whole.
func isNAT64(b [16]byte) bool {
	return bytes.HasPrefix(b[:], []byte{0, 0x64, 0xff, 0x9b}) && zero(b[4:12])
}

func v4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b[:4])) }

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
