package message

import (
	"crypto/rand"
)

// branchCookie begins every branch of RFC 3261 (section 8.1.1.7).
const branchCookie = "z9hG4bK"

// NewBranch returns a branch that nobody else has.
func NewBranch() string { return branchCookie + rand.Text() }

// NewTag returns a tag for From or To (RFC 3261 section 19.3).
func NewTag() string { return rand.Text()[:16] }

// NewCallID returns a Call-ID that says nothing about the node.
func NewCallID() string { return rand.Text() }

// NewRequest returns a request without header fields.
func NewRequest(m Method, uri URI) *Message {
	return &Message{method: m, uri: uri, headers: make([]header, 0, 16)}
}

// NewResponse returns a response to a request with what RFC 3261 section 8.2.6 copies, and
// with the Record-Routes (section 12.1.1). It adds no To tag. An empty reason is the
// standard one.
func NewResponse(req *Message, status int, reason string) *Message {
	if reason == "" {
		reason = ReasonOf(status)
	}
	r := &Message{
		method: req.method, status: status, reason: oneLine(reason), headers: make([]header, 0, 16),
		seq: req.seq, seqMethod: req.seqMethod, from: req.from, to: req.to, via: req.via,
	}
	var seen [kinds]bool
	for _, h := range req.headers {
		switch h.kind {
		case via, recordRoute:
		case timestamp:
			if status != 100 { // section 8.2.6.1
				continue
			}
		case from, to, callID, cseq:
			if seen[h.kind] { // of a bad request
				continue
			}
			seen[h.kind] = true
		default:
			continue
		}
		r.headers = append(r.headers, h)
	}
	return r
}
