package userspace

import (
	"encoding/binary"

	"turnpike.dev/turnpike/bpf"
)

const (
	channelHeader = 4
	maxPadding    = 3
)

// isChannel tells ChannelData from STUN (RFC 8656 section 12).
func isChannel(b []byte) bool { return len(b) > 0 && b[0]&0xc0 == 0x40 }

// parseChannel reads a ChannelData message that fills a datagram (RFC 8656 section
// 12.4). Over UDP it may be padded to a multiple of 4; the data that it returns is
// without. The reason is ReasonForwarded, or what is wrong.
func parseChannel(b []byte) (channel uint16, data []byte, why bpf.Reason) {
	if len(b) < channelHeader {
		return 0, nil, bpf.ReasonChannelLength
	}
	channel = binary.BigEndian.Uint16(b)
	n := int(binary.BigEndian.Uint16(b[2:]))
	data = b[channelHeader:]
	if n > len(data) {
		return 0, nil, bpf.ReasonChannelLength
	}
	padding := data[n:]
	if len(padding) > maxPadding {
		return 0, nil, bpf.ReasonChannelPadding
	}
	for _, p := range padding {
		if p != 0 {
			return 0, nil, bpf.ReasonChannelPadding
		}
	}
	return channel, data[:n], bpf.ReasonForwarded
}

func putChannel(header []byte, channel uint16, n int) {
	binary.BigEndian.PutUint16(header, channel)
	binary.BigEndian.PutUint16(header[2:], uint16(n))
}
