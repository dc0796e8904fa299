// Package message is a SIP message as the rest of the signalling sees it: parsed once,
// checked once, changed by name, serialised once.
//
// It exists because what the wire brings is hostile, and what has the form of a message is
// not yet one that a node can act on (RFC 4475). Everything read is bounded, whatever two
// elements could read in two ways is refused, and a message that is refused is a Fault
// with the answer it deserves.
//
// A Message keeps header fields as text and parses those with a structure when somebody
// asks, because a node mostly passes them on. It is for one goroutine; Clone makes one for
// another.
package message

import "slices"

// Message is a request or a response.
type Message struct {
	method  Method // of the request line; of CSeq in a response
	uri     URI
	status  int // 0: a request
	reason  string
	headers []header // without Content-Length, which is the body's
	body    []byte

	seq       uint32 // CSeq
	seqMethod Method
	from, to  cached[Address]
	via       cached[Via]
}

// cached is a header field that was parsed already.
type cached[T any] struct {
	value T
	known bool
}

// IsRequest reports whether the message is a request.
func (m *Message) IsRequest() bool { return m.status == 0 }

// Begins reports whether the message is a request for something that is not there yet, and
// so can be refused: it belongs to no dialog and ends no transaction.
func (m *Message) Begins() bool {
	return m.IsRequest() && m.method != Ack && m.method != Cancel && m.To().Tag() == ""
}

// Method returns the request's method; of a response the method it answers.
func (m *Message) Method() Method { return m.method }

// Status returns a response's status code, 0 for a request.
func (m *Message) Status() int { return m.status }

// Reason returns a response's reason phrase.
func (m *Message) Reason() string { return m.reason }

// URI returns the Request-URI.
func (m *Message) URI() URI { return m.uri }

// SetURI sets the Request-URI.
func (m *Message) SetURI(u URI) { m.uri = u }

// CSeq returns the sequence number and the method beside it.
func (m *Message) CSeq() (uint32, Method) { return m.seq, m.seqMethod }

// CallID returns the Call-ID.
func (m *Message) CallID() string { return m.get(callID) }

// SetCallID sets the Call-ID.
func (m *Message) SetCallID(id string) { m.set(callID, id) }

// Body returns the body, nil when there is none. It is not to be changed.
func (m *Message) Body() []byte { return m.body }

// ContentType returns the media type of the body as it is written.
func (m *Message) ContentType() string { return m.get(contentType) }

// SetBody replaces the body. Without one there is no Content-Type either. The message
// keeps body.
func (m *Message) SetBody(contentTypeOf string, body []byte) {
	m.body = body
	if len(body) == 0 {
		m.body = nil
		m.del(contentType)
		return
	}
	m.set(contentType, contentTypeOf)
}

// Clone returns a message that shares nothing that can be changed.
func (m *Message) Clone() *Message {
	c := *m
	c.headers = slices.Clone(m.headers)
	c.body = slices.Clone(m.body)
	return &c
}
