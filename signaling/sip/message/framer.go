package message

import (
	"bytes"
	"errors"

	"turnpike.dev/turnpike/signaling/loop"
)

var _ loop.Framer = (*Framer)(nil)

// Framer finds messages in a stream by their Content-Length (RFC 3261 section 18.3), and
// answers keep-alives (RFC 5626 section 4.4.1). The zero value is ready.
//
// A message whose length cannot be known is given up to the end of its head, so that it
// can be answered; nothing can be read behind it.
type Framer struct {
	seen int  // bytes that the end of the head was looked for in
	size int  // of the message that begins here; 0: not known yet
	half bool // one CRLF came, which with another is a keep-alive
	lost bool // where the next message begins is unknown
}

// Why a stream cannot be read on.
var (
	ErrLost     = errors.New("where the next message begins is unknown, because the last one had no proper Content-Length")
	ErrHeadSize = errors.New("the header fields are too long")
)

var (
	crlf = []byte("\r\n")
	pong = crlf
)

// Next implements loop.Framer.
func (f *Framer) Next(b []byte) (loop.Frame, error) {
	switch {
	case len(b) == 0:
		return loop.Frame{}, nil
	case f.lost && f.size == 0:
		return loop.Frame{}, ErrLost
	case f.seen == 0 && b[0] == '\r':
		return f.keepAlive(b)
	}
	f.half = false
	if f.size == 0 {
		if err := f.measure(b); err != nil {
			return loop.Frame{}, err
		}
	}
	if f.size == 0 || f.size > len(b) {
		return loop.Frame{}, nil
	}
	frame := loop.Frame{Size: f.size}
	f.seen, f.size = 0, 0
	return frame, nil
}

// measure looks for the end of the head, and reads there how long the message is.
func (f *Framer) measure(b []byte) error {
	from := max(f.seen-len(endOfHead)+1, 0)
	i := bytes.Index(b[from:], endOfHead)
	f.seen = len(b)
	end := from + i + len(endOfHead)
	switch {
	case i < 0 && len(b) <= maxHead: // it is not there yet
		return nil
	case i < 0 || end > maxHead:
		return ErrHeadSize
	}
	length, ok := findLength(b[:end])
	if !ok || end+length > MaxSize {
		f.lost, length = true, 0
	}
	f.size = end + length
	return nil
}

// keepAlive takes one CRLF in front of a message. The second of two is a ping, and
// answered by one.
func (f *Framer) keepAlive(b []byte) (loop.Frame, error) {
	if len(b) < len(crlf) {
		return loop.Frame{}, nil
	}
	if b[1] != '\n' {
		return loop.Frame{}, ErrLost
	}
	f.half = !f.half
	if f.half {
		return loop.Frame{Skip: len(crlf)}, nil
	}
	return loop.Frame{Skip: len(crlf), Reply: pong}, nil
}

// findLength reads the only Content-Length of a head. Without one, or with several, the
// end of the message is unknown.
func findLength(head []byte) (length int, ok bool) {
	found := 0
	for len(head) > 0 {
		line := head
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, head = head[:i], head[i+1:]
		} else {
			head = nil
		}
		name, value, has := bytes.Cut(line, []byte(":"))
		if !has || !isLengthName(bytes.TrimRight(name, lws)) {
			continue
		}
		found++
		if length, ok = parseLength(string(bytes.Trim(value, " \t\r"))); !ok {
			return 0, false
		}
	}
	return length, found == 1
}

func isLengthName(name []byte) bool {
	return len(name) == 1 && name[0]|0x20 == 'l' || len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length"))
}
