package message

import (
	"bytes"
	"strings"
)

// What a message may have. The framer of streams keeps to the same.
const (
	MaxSize    = 64 << 10 // bytes in all
	maxHead    = 32 << 10 // bytes of start line and header fields
	maxLine    = 8 << 10  // bytes of a line
	maxHeaders = 128
	maxVias    = 70
)

var endOfHead = []byte("\r\n\r\n")

// Parse reads one whole message of a datagram, and keeps no reference to data. An error is
// a *Fault.
func Parse(data []byte) (*Message, error) { return parse(data, false) }

// ParseStream reads one whole message of a stream, where Content-Length has to be there
// (RFC 3261 section 18.3).
func ParseStream(data []byte) (*Message, error) { return parse(data, true) }

func parse(data []byte, stream bool) (*Message, error) {
	for bytes.HasPrefix(data, crlf) { // RFC 3261 section 7.5
		data = data[len(crlf):]
	}
	head, body, whole := bytes.Cut(data, endOfHead)
	if len(data) > MaxSize || len(head) > maxHead {
		return nil, fault(513, "Message Too Large")
	}
	if !whole {
		head = bytes.TrimSuffix(head, crlf)
	}
	p := parser{m: &Message{}, rest: string(head)}
	p.m.headers = make([]header, 0, min(bytes.Count(head, []byte("\n")), maxHeaders)+2)
	f := p.head()
	if f == nil && !whole {
		f = fault(400, "No End of Header Fields")
	}
	if f == nil {
		f = p.body(body, stream)
	}
	if f == nil {
		f = p.m.check()
	}
	if f == nil {
		return p.m, nil
	}
	if p.m.answerable() {
		f.Message = p.m
	}
	return nil, f
}

// answerable reports whether a bad message is a request that an answer can be sent to
// (RFC 3261 section 8.2.6.2): ACK has none, and without a Via there is no way back.
func (m *Message) answerable() bool {
	if !m.IsRequest() || m.method == "" || m.method == Ack {
		return false
	}
	top := m.get(via)
	v, err := ParseVia(top)
	if err != nil { // its sent-by may be good enough, and the source's port the best guess
		sentBy, _, _ := strings.Cut(top, ";")
		v, err = ParseVia(sentBy)
		v.Params = Params{{Name: "rport"}}
	}
	m.via = cached[Via]{v, true}
	return err == nil
}

// parser reads the head of one message.
type parser struct {
	m      *Message
	rest   string // lines, with CRLF between
	length int    // Content-Length; only when lengths is 1
	fields int
	// lengths is how many Content-Lengths there are.
	lengths int
}

// head reads start line and header fields. A fault does not end it, because the answer
// needs the fields behind it; the first one counts.
func (p *parser) head() *Fault {
	line, first := p.line()
	if f := p.startLine(line); first == nil {
		first = f
	}
	for p.rest != "" {
		line, f := p.line()
		if f == nil {
			f = p.field(line)
		}
		if first == nil {
			first = f
		}
		if p.fields > maxHeaders {
			return fault(400, "Too Many Header Fields")
		}
	}
	return first
}

// line takes one line, with what is folded into it (RFC 3261 section 7.3.1).
func (p *parser) line() (string, *Fault) {
	line, f := p.physicalLine()
	for p.rest != "" && (p.rest[0] == ' ' || p.rest[0] == '\t') {
		more, g := p.physicalLine()
		if f == nil {
			f = g
		}
		line = trimRight(line) + " " + trim(more)
		if len(line) > maxLine {
			return line, fault(400, "Header Field Too Long")
		}
	}
	return line, f
}

func (p *parser) physicalLine() (string, *Fault) {
	line, rest, more := strings.Cut(p.rest, "\n")
	p.rest = rest
	if more {
		if !strings.HasSuffix(line, "\r") {
			return line, fault(400, "Line Without CRLF")
		}
		line = line[:len(line)-1]
	}
	if len(line) > maxLine {
		return line, fault(400, "Header Field Too Long")
	}
	if !isText(line) {
		return line, fault(400, "Control Character in Header Field")
	}
	return line, nil
}

// field takes one header field.
func (p *parser) field(line string) *Fault {
	p.fields++
	name, value, ok := strings.Cut(line, ":")
	name = trimRight(name)
	if !ok || !isToken(name) {
		return fault(400, "Malformed Header Field")
	}
	value = trim(value)
	f := fieldOf(name)
	switch f.kind {
	case contentLength:
		p.lengths++
		n, ok := parseLength(value)
		if !ok || p.lengths > 1 {
			return fault(400, "Bad Content-Length")
		}
		p.length = n
		return nil
	case via, route, recordRoute, path:
		// Each hop by itself: the top one is what a node changes.
		for one := range elements(value) {
			p.m.headers = append(p.m.headers, header{f.kind, f.name, one})
		}
		return nil
	}
	p.m.headers = append(p.m.headers, header{f.kind, f.name, value})
	return nil
}

// body takes what belongs to the message. What a datagram has behind it is none of it (RFC
// 3261 section 18.3).
func (p *parser) body(b []byte, stream bool) *Fault {
	switch {
	case p.lengths == 0 && stream:
		return fault(400, "Missing Content-Length")
	case p.lengths == 0:
		p.length = len(b)
	case p.length > MaxSize && stream:
		return fault(513, "Message Too Large")
	case p.length > len(b):
		return fault(400, "Content-Length Beyond the Message")
	}
	if p.length > 0 {
		p.m.body = bytes.Clone(b[:p.length])
	}
	return nil
}

// parseLength reads a Content-Length. One that no message can have is read as too large.
func parseLength(s string) (int, bool) {
	n, ok := parseSeconds(s)
	return int(min(n, 1<<30)), ok
}
