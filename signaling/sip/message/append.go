package message

import "strconv"

// Append appends the message as it goes over the wire, with the right Content-Length.
func (m *Message) Append(b []byte) []byte {
	if m.IsRequest() {
		b = append(append(b, m.method...), ' ')
		uri := len(b)
		b = m.uri.append(b)
		for i := uri; i < len(b); i++ {
			if b[i] <= ' ' { // of a name that somebody made: it may not end the line
				b[i] = '_'
			}
		}
		b = append(append(b, ' '), version...)
	} else {
		b = append(append(b, version...), ' ')
		b = append(strconv.AppendInt(b, int64(m.status), 10), ' ')
		b = append(b, m.reason...)
	}
	b = append(b, "\r\n"...)
	for i := range m.headers {
		h := &m.headers[i]
		b = append(append(b, h.name...), ": "...)
		b = append(append(b, h.value...), "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(m.body)), 10), "\r\n\r\n"...)
	return append(b, m.body...)
}

// String returns the message as it goes over the wire.
func (m *Message) String() string { return string(m.Append(nil)) }
