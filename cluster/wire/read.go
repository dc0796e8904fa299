package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Read reads a frame and returns its message. It reads nothing beyond it, so that what follows may
// be of another protocol. started, unless nil, is called when the length is there: what follows
// belongs to a message that has begun. limit bounds the length, besides the bound of each kind.
func Read(r io.Reader, limit int, started func()) (any, error) {
	var head [header]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(limit) {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	if started != nil {
		started()
	}
	frame, err := readAll(r, int(n))
	if err != nil {
		return nil, fmt.Errorf("read a frame of %d bytes: %w", n, err)
	}
	return Decode(frame)
}

// readAll reads n bytes. Memory grows with what comes and not with what was announced.
func readAll(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	frame := make([]byte, 0, min(n, step))
	for len(frame) < n {
		at := len(frame)
		more := min(n-at, max(at, step))
		frame = append(frame, make([]byte, more)...)
		if _, err := io.ReadFull(r, frame[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return frame, nil
}
