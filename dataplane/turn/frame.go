package turn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// errFrame is returned for bytes that are neither a STUN message nor ChannelData:
// the stream has lost its framing and can only be closed.
var errFrame = errors.New("stream is neither STUN nor ChannelData")

const (
	frameHeader = 4
	maxFrame    = 20 + 65535 // a STUN message of the greatest length
)

// frameSize returns how long the frame is that starts with these four bytes, and how
// long with the padding that ChannelData has on a stream (RFC 8656 section 12.5).
//
// pion's STUNConn is not used: it needs nine bytes to see a frame, so it keeps back
// ChannelData of up to four until more comes, and it counts lengths in 16 bits.
func frameSize(head []byte) (size, padded int, err error) {
	length := int(binary.BigEndian.Uint16(head[2:]))
	switch {
	case head[0]>>6 == 0 && length%4 == 0: // STUN
		return 20 + length, 20 + length, nil
	case head[0]>>6 == 1: // ChannelData
		size = frameHeader + length
		return size, (size + 3) &^ 3, nil
	}
	return 0, 0, errFrame
}

// readFrame reads one frame into buf and returns it without padding.
func readFrame(in *bufio.Reader, buf []byte) (frame, grown []byte, err error) {
	head, err := in.Peek(frameHeader)
	if err != nil {
		return nil, buf, err
	}
	size, padded, err := frameSize(head)
	if err != nil {
		return nil, buf, err
	}
	if cap(buf) < padded {
		buf = make([]byte, padded)
	}
	if _, err := io.ReadFull(in, buf[:padded]); err != nil {
		return nil, buf, err
	}
	return buf[:size], buf, nil
}

// appendFrame appends a message as it goes over a stream.
func appendFrame(b, message []byte) []byte {
	b = append(b, message...)
	if message[0]>>6 == 1 {
		for n := len(message); n%4 != 0; n++ {
			b = append(b, 0)
		}
	}
	return b
}
