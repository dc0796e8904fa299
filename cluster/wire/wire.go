// Package wire has what peers say to each other, as bytes.
//
// It exists so that nothing that a peer sends reaches a core before it was decoded within
// bounds: a frame is at most so long, no list in it is longer than its meaning allows, and
// what does not fit is an error and never a panic. What is sent has structs of its own, which are
// mapped to the cores' types here, so that a core may change without a peer noticing it.
//
// A frame is a length of 4 bytes, big endian, of what follows; a byte that says what it is;
// and a body in CBOR (RFC 8949): a map with small integers as its keys. A receiver passes over
// keys that it does not know, and what is not there is zero; so neighbouring versions of the
// protocol understand each other (OP-03).
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Protocol is the version of what peers say to each other. Neighbours understand each other.
const Protocol = 1

// Bounds of frames.
const (
	MaxFrame    = 256 << 10
	MaxDocument = 16 << 20 // of one that carries a document, and of requests
	header      = 4
	slack       = 64 << 10 // of a frame over the document that it carries
)

// Reasons why a frame is not taken.
var (
	ErrTooLarge = errors.New("the frame is larger than what peers take")
	ErrUnknown  = errors.New("no such message")
	ErrInvalid  = errors.New("the message is out of bounds")
)

// Decode returns the message of a frame, without its length: a kind and a body.
func Decode(frame []byte) (any, error) {
	if len(frame) == 0 {
		return nil, fmt.Errorf("%w: an empty frame", ErrUnknown)
	}
	k := kind(frame[0])
	if len(frame) > k.limit() {
		return nil, fmt.Errorf("%w: %d bytes of kind %d", ErrTooLarge, len(frame), k)
	}
	b := k.body()
	if b == nil {
		return nil, fmt.Errorf("%w: kind %d", ErrUnknown, k)
	}
	if err := decoding().Unmarshal(frame[1:], b); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %w", ErrInvalid, k, err)
	}
	m, err := b.message()
	if err != nil {
		return nil, fmt.Errorf("message of kind %d: %w", k, err)
	}
	return m, nil
}

// Append appends the frame of a message, its length included.
func Append(dst []byte, m any) ([]byte, error) {
	k, b := bodyOf(m)
	if b == nil {
		return dst, fmt.Errorf("%w: %T", ErrUnknown, m)
	}
	data, err := encoding().Marshal(b)
	if err != nil {
		return dst, fmt.Errorf("encode %T: %w", m, err)
	}
	n := 1 + len(data)
	if n > k.limit() {
		return dst, fmt.Errorf("%w: %T of %d bytes", ErrTooLarge, m, n)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	dst = append(dst, byte(k))
	return append(dst, data...), nil
}
