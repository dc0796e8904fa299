package rtp

import "encoding/binary"

// kind is what a datagram says it is (RFC 7983 section 7, RFC 5761 section 4).
type kind uint8

const (
	kindOther   kind = iota // BFCP, DTLS, …: judged by its address alone
	kindRTP                 //
	kindRTCP                //
	kindIgnored             // STUN and empty keep-alives: no media, and no evidence
)

const (
	rtpHeader  = 12
	rtcpHeader = 8
)

// packet is what is looked at of a datagram.
type packet struct {
	kind      kind
	ssrc      uint32
	timestamp uint32
	seq       uint16
}

// hasSSRC tells whether ssrc is anybody's.
func (p packet) hasSSRC() bool { return p.kind == kindRTP || p.kind == kindRTCP }

// classify reads a datagram.
func classify(b []byte) packet {
	const lastSTUN = 3
	switch {
	case len(b) == 0 || b[0] <= lastSTUN:
		return packet{kind: kindIgnored}
	case b[0]>>6 != 2 || len(b) < rtcpHeader:
		return packet{}
	case isRTCP(b[1]):
		return packet{kind: kindRTCP, ssrc: binary.BigEndian.Uint32(b[4:])}
	case len(b) < rtpHeader:
		return packet{}
	}
	return packet{
		kind:      kindRTP,
		seq:       binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]),
		ssrc:      binary.BigEndian.Uint32(b[8:]),
	}
}

// isRTCP tells by the second byte of a header (RFC 5761 section 4).
func isRTCP(b byte) bool { return b&0x7f >= 64 && b&0x7f <= 95 }
