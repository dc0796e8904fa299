package transport

import (
	"net/netip"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// AnswerHop returns where the response to a request with that top Via goes (RFC 3261
// section 18.2.2): over the connection it came by; if that is closed by then, to where the
// Via says that the sender listens. Over UDP to the source's address, and to the source's
// port only if it asked for that (RFC 3581 section 4). maddr counts for nothing: it would
// let anybody send responses to anybody.
func AnswerHop(src loop.Source, via message.Via) Hop {
	h := Hop{Transport: src.Transport, Remote: src.Remote, Local: src.Local.Addr(), Conn: src.Conn}
	if src.Transport == loop.UDP && via.Params.Has("rport") {
		return h
	}
	if src.Conn != nil {
		h.Key = src.Conn.Bound()
	}
	port := via.Port
	if port == 0 {
		port = DefaultPort(src.Transport)
	}
	h.Remote = netip.AddrPortFrom(src.Remote.Addr(), port)
	if _, err := netip.ParseAddr(via.Host); err != nil && src.Transport == loop.TLS {
		h.Name = via.Host // RFC 5923 section 8.1: a connection back is one to that name
	}
	return h
}

// DefaultPort is the port where none is written (RFC 3261 section 19.1.2).
func DefaultPort(t loop.Transport) uint16 {
	if t == loop.TLS {
		return 5061
	}
	return 5060
}
