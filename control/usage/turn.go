package usage

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// Side is by which of its interfaces a node is reached.
type Side uint8

// Sides of a node; one with a single interface has the external one.
const (
	External Side = iota
	Internal
	sides
)

// TURN is where a node takes clients that another has no relay for (RFC 8656 section 7.2). The
// zero value is nowhere: it has no TURN server, is in maintenance, or is of a version that does
// not tell.
type TURN struct {
	// Addrs are those that clients know, by side: IPv4 and IPv6. They differ from the
	// node's own where a NAT is in front.
	Addrs [sides][2]netip.Addr
	// Port takes UDP, and TCP where TCP is set; TLS takes clients over TLS, 0: none.
	Port, TLS uint16
	TCP       bool
	// Free is how many relays it can give at that port, FreeTLS at the other one: a port has a limit of its own (CA-03).
	Free, FreeTLS uint32
	// IPv4 and IPv6 are the families of its relays.
	IPv4, IPv6 bool
	// Domain is a name in its certificate; empty: none is known.
	Domain string
}

const (
	// maxDomain is the longest name (RFC 8489 section 14.16).
	maxDomain = 255
	// maxRow is as much of a row as is read: eleven numbers, four addresses and a name.
	maxRow = 512
)

// Bits of what encode writes first; those above have no meaning yet.
const (
	bitTCP = 1 << iota
	bitIPv4
	bitIPv6
	bitAddr // and three more: external IPv4 and IPv6, internal IPv4 and IPv6
	bits    = bitAddr<<4 - 1
)

// each calls do for every address with its bit.
func (t *TURN) each(do func(a *netip.Addr, bit uint64, v6 bool)) {
	bit := uint64(bitAddr)
	for side := range t.Addrs {
		for i := range t.Addrs[side] {
			do(&t.Addrs[side][i], bit, i == 1)
			bit <<= 1
		}
	}
}

// append writes it behind the amounts.
func (t *TURN) append(dst []byte) []byte {
	var flags uint64
	for bit, on := range map[uint64]bool{bitTCP: t.TCP, bitIPv4: t.IPv4, bitIPv6: t.IPv6} {
		if on {
			flags |= bit
		}
	}
	t.each(func(a *netip.Addr, bit uint64, _ bool) {
		if a.IsValid() {
			flags |= bit
		}
	})
	dst = binary.AppendUvarint(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(t.Port))
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(t.TLS)), uint64(t.Free))
	t.each(func(a *netip.Addr, _ uint64, _ bool) { dst = append(dst, a.AsSlice()...) })
	name := t.Domain
	if len(name) > maxDomain {
		name = ""
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return binary.AppendUvarint(dst, uint64(t.FreeTLS))
}

// parseTURN reads what append wrote. What cannot be read is nowhere: nobody is sent there.
func parseTURN(left []byte) (t TURN) {
	r := reader{left: left}
	flags := r.number(bits)
	t.TCP, t.IPv4, t.IPv6 = flags&bitTCP != 0, flags&bitIPv4 != 0, flags&bitIPv6 != 0
	t.Port, t.TLS = uint16(r.number(math.MaxUint16)), uint16(r.number(math.MaxUint16))
	t.Free = uint32(r.number(math.MaxUint32))
	t.each(func(a *netip.Addr, bit uint64, v6 bool) {
		if flags&bit != 0 {
			*a = r.address(v6)
		}
	})
	t.Domain = string(r.bytes(int(r.number(maxDomain))))
	t.FreeTLS = t.Free // of a version that does not tell
	if len(r.left) > 0 {
		t.FreeTLS = uint32(r.number(math.MaxUint32))
	}
	if r.failed {
		return TURN{}
	}
	return t
}

// reader reads a row; what is missing fails it.
type reader struct {
	left   []byte
	failed bool
}

func (r *reader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.left)
	if size <= 0 || n > most {
		r.failed, r.left = true, nil
		return 0
	}
	r.left = r.left[size:]
	return n
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.left) {
		r.failed, r.left = true, nil
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

// address reads an address that clients can be sent to.
func (r *reader) address(v6 bool) netip.Addr {
	size := 4
	if v6 {
		size = 16
	}
	a, ok := netip.AddrFromSlice(r.bytes(size))
	if !ok || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() {
		r.failed = true
	}
	return a
}
