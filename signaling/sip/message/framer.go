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
	case f.lost:
		return loop.Frame{}, ErrLost
	case f.seen == 0 && b[0] == '\r':
		return f.keepAlive(b)
	}
	f.half = false
	from := max(f.seen-len(endOfHead)+1, 0)
	end := bytes.Index(b[from:], endOfHead)
	if end < 0 {
		f.seen = len(b)
		if len(b) > maxHead {
			return loop.Frame{}, ErrHeadSize
		}
		return loop.Frame{}, nil
	}
	end += from + len(endOfHead)
	if end > maxHead {
		return loop.Frame{}, ErrHeadSize
	}
	length, ok := findLength(b[:end])
	if !ok || end+length > MaxSize {
		f.lost, length = true, 0
	}
	if end+length > len(b) {
		f.seen = end
		return loop.Frame{}, nil
	}
	f.seen = 0
	return loop.Frame{Size: end + length}, nil
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
