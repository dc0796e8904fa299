package userspace

import "encoding/binary"

const rtpHeader = 12

// rtp is what is counted of an RTP header.
type rtp struct {
	ssrc      uint32
	timestamp uint32
	seq       uint16
}

// parseRTP tells RTP from RTCP (RFC 5761 section 4) and from everything else.
func parseRTP(b []byte) (rtp, bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 {
		return rtp{}, false
	}
	if isRTCP(b) {
		return rtp{}, false
	}
	return rtp{
		seq:       binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]),
		ssrc:      binary.BigEndian.Uint32(b[8:]),
	}, true
}

// isRTCP tells RTCP from everything else (RFC 5761 section 4).
func isRTCP(b []byte) bool {
	if len(b) < 2 || b[0]>>6 != 2 {
		return false
	}
	kind := b[1] & 0x7f
	return kind >= 64 && kind <= 95
}
