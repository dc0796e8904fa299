package transport

import (
	"net/netip"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// AnswerHop returns where the response to a request with that top Via goes: over the same
// connection; over UDP to received and rport (RFC 3261 section 18.2.2, RFC 3581 section 4).
// The Via is one that the transport has received, so that received and rport are the
// source's, or absent where sent-by is.
func AnswerHop(src loop.Source, via message.Via) Hop {
	h := Hop{Transport: src.Transport, Remote: src.Remote, Local: src.Local.Addr(), Conn: src.Conn}
	if src.Transport != loop.UDP || via.Params.Has("rport") {
		return h
	}
	port := via.Port
	if port == 0 {
		port = 5060
	}
	h.Remote = netip.AddrPortFrom(src.Remote.Addr(), port)
	return h
}
