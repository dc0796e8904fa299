package b2bua

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/netip"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/sdp"
)

// description is the session description of a message.
type description struct{ session *sdp.Session }

// describe reads the session description of a message; nil when it has none.
func describe(m *message.Message) (*description, error) {
	body, err := sdpOf(m)
	if err != nil || body == nil {
		return nil, err
	}
	s, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	return &description{session: s}, nil
}

// addr is where the first stream is that is somewhere.
func (d *description) addr() netip.Addr {
	if d == nil {
		return netip.Addr{}
	}
	for _, s := range d.session.Streams() {
		if s.Remote.RTP.IsValid() && !s.Remote.RTP.Addr().IsUnspecified() && !s.Rejected {
			return s.Remote.RTP.Addr()
		}
	}
	return netip.Addr{}
}

// sdpOf returns the description in a body; of a body of several parts the first one that
// is a description (RFC 5621 section 3.1). The other parts stay behind: they may say where
// the party is.
func sdpOf(m *message.Message) ([]byte, error) {
	if len(m.Body()) == 0 {
		return nil, nil
	}
	kind, params, err := mime.ParseMediaType(m.ContentType())
	switch {
	case err != nil:
		return nil, nil
	case kind == sdp.ContentType:
		return m.Body(), nil
	case strings.HasPrefix(kind, "multipart/"):
		return partOf(m.Body(), params["boundary"])
	}
	return nil, nil
}

// maxParts bounds a body of several parts.
const maxParts = 8

func partOf(body []byte, boundary string) ([]byte, error) {
	if boundary == "" {
		return nil, fmt.Errorf("a body of several parts has no boundary")
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the parts of a body: %w", err)
		}
		if kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type")); err == nil && kind == sdp.ContentType {
			return io.ReadAll(p)
		}
	}
	return nil, nil
}
