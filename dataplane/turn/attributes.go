package turn

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Attributes and codes that pion/stun does not name.
const (
	attrAdditionalAddressFamily stun.AttrType = 0x8000
	attrAddressErrorCode        stun.AttrType = 0x8001

	magicCookie uint32 = 0x2112A442

	wireIPv4 = 0x01
	wireIPv6 = 0x02

	protoUDP = 17
)

// understood reports whether a request or indication may carry the attribute;
// those below 0x8000 that it names no more are answered with 420.
func understood(t stun.AttrType) bool {
	switch t {
	case stun.AttrMappedAddress, stun.AttrUsername, stun.AttrMessageIntegrity,
		stun.AttrErrorCode, stun.AttrUnknownAttributes, stun.AttrRealm, stun.AttrNonce,
		stun.AttrXORMappedAddress, stun.AttrMessageIntegritySHA256,
		stun.AttrChannelNumber, stun.AttrLifetime, stun.AttrXORPeerAddress,
		stun.AttrData, stun.AttrXORRelayedAddress, stun.AttrRequestedAddressFamily,
		stun.AttrEvenPort, stun.AttrRequestedTransport, stun.AttrDontFragment,
		stun.AttrReservationToken:
		return true
	}
	return t.Optional()
}

// unknownAttributes returns the value of UNKNOWN-ATTRIBUTES (RFC 8489 section
// 14.13), empty when everything is understood.
func unknownAttributes(m *stun.Message) []byte {
	var list []byte
	for _, a := range m.Attributes {
		if !understood(a.Type) && len(list) < 32 {
			list = binary.BigEndian.AppendUint16(list, uint16(a.Type))
		}
	}
	return list
}

// xorAddress decodes an XOR-ed address (RFC 8489 section 14.2).
func xorAddress(value []byte, transaction [12]byte) (netip.AddrPort, bool) {
	if len(value) < 8 {
		return netip.AddrPort{}, false
	}
	var pad [16]byte
	binary.BigEndian.PutUint32(pad[:4], magicCookie)
	copy(pad[4:], transaction[:])
	port := binary.BigEndian.Uint16(value[2:4]) ^ uint16(magicCookie>>16)
	ip := value[4:]
	for i := range min(len(ip), len(pad)) {
		pad[i] ^= ip[i]
	}
	switch {
	case value[1] == wireIPv4 && len(ip) == 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(pad[:4])), port), true
	case value[1] == wireIPv6 && len(ip) == 16:
		return netip.AddrPortFrom(netip.AddrFrom16(pad), port), true
	}
	return netip.AddrPort{}, false
}

// addAddress adds an address as it is (RFC 8489 section 14.1).
func addAddress(m *stun.Message, t stun.AttrType, a netip.AddrPort) {
	var buf [20]byte
	f := familyOf(a.Addr())
	b := append(buf[:0], 0, wireFamily(f), byte(a.Port()>>8), byte(a.Port()))
	m.Add(t, append(b, a.Addr().AsSlice()...))
}

// appendXORAddress appends the value of an XOR-ed address.
func appendXORAddress(b []byte, a netip.AddrPort, transaction [12]byte) []byte {
	var pad [16]byte
	binary.BigEndian.PutUint32(pad[:4], magicCookie)
	copy(pad[4:], transaction[:])
	port := a.Port() ^ uint16(magicCookie>>16)
	if a.Addr().Is4() {
		ip := a.Addr().As4()
		for i := range ip {
			pad[i] ^= ip[i]
		}
		b = append(b, 0, wireIPv4, byte(port>>8), byte(port))
		return append(b, pad[:4]...)
	}
	ip := a.Addr().As16()
	for i := range ip {
		pad[i] ^= ip[i]
	}
	b = append(b, 0, wireIPv6, byte(port>>8), byte(port))
	return append(b, pad[:]...)
}

func addXORAddress(m *stun.Message, t stun.AttrType, a netip.AddrPort) {
	var buf [20]byte
	m.Add(t, appendXORAddress(buf[:0], a, m.TransactionID))
}

func addLifetime(m *stun.Message, d time.Duration) {
	var buf [4]byte
	m.Add(stun.AttrLifetime, binary.BigEndian.AppendUint32(buf[:0], uint32(d/time.Second)))
}

// peerAddress returns the first XOR-PEER-ADDRESS.
func peerAddress(m *stun.Message) (netip.AddrPort, bool) {
	v, err := m.Get(stun.AttrXORPeerAddress)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return xorAddress(v, m.TransactionID)
}

// uint32Attribute returns a four-byte attribute; bad: it has another length.
func uint32Attribute(m *stun.Message, t stun.AttrType) (v uint32, present, bad bool) {
	raw, err := m.Get(t)
	if err != nil {
		return 0, false, false
	}
	if len(raw) != 4 {
		return 0, true, true
	}
	return binary.BigEndian.Uint32(raw), true, false
}

// familyAttribute returns a REQUESTED- or ADDITIONAL-ADDRESS-FAMILY. A value that
// is neither family comes back as the number of families.
func familyAttribute(m *stun.Message, t stun.AttrType) (f family, present, bad bool) {
	v, present, bad := uint32Attribute(m, t)
	switch v >> 24 {
	case wireIPv4:
		return ipv4, present, bad
	case wireIPv6:
		return ipv6, present, bad
	}
	return families, present, bad
}

func wireFamily(f family) byte {
	if f == ipv4 {
		return wireIPv4
	}
	return wireIPv6
}

// addressError is what ADDRESS-ERROR-CODE says: why a dual allocation has one
// family only (RFC 8656 section 18.12).
type addressError struct {
	family family
	code   stun.ErrorCode
}

func (e addressError) addTo(m *stun.Message) {
	if e.code == 0 {
		return
	}
	v := []byte{wireFamily(e.family), 0, byte(e.code / 100), byte(e.code % 100)}
	m.Add(attrAddressErrorCode, append(v, reasonPhrase(e.code)...))
}

// addErrorCode adds ERROR-CODE (RFC 8489 section 14.8).
func addErrorCode(m *stun.Message, code stun.ErrorCode) {
	v := append(make([]byte, 0, 40), 0, 0, byte(code/100), byte(code%100))
	m.Add(stun.AttrErrorCode, append(v, reasonPhrase(code)...))
}

func reasonPhrase(code stun.ErrorCode) string {
	switch code {
	case stun.CodeTryAlternate:
		return "Try Alternate"
	case stun.CodeBadRequest:
		return "Bad Request"
	case stun.CodeUnauthorized:
		return "Unauthenticated"
	case stun.CodeForbidden:
		return "Forbidden"
	case stun.CodeUnknownAttribute:
		return "Unknown Attribute"
	case stun.CodeAllocMismatch:
		return "Allocation Mismatch"
	case stun.CodeStaleNonce:
		return "Stale Nonce"
	case stun.CodeAddrFamilyNotSupported:
		return "Address Family not Supported"
	case stun.CodeWrongCredentials:
		return "Wrong Credentials"
	case stun.CodeUnsupportedTransProto:
		return "Unsupported Transport Protocol"
	case stun.CodePeerAddrFamilyMismatch:
		return "Peer Address Family Mismatch"
	case stun.CodeAllocQuotaReached:
		return "Allocation Quota Reached"
	case stun.CodeInsufficientCapacity:
		return "Insufficient Capacity"
	}
	return "Server Error"
}
