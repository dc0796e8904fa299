// Package rtp is the media of calls: the ports a call's streams are received at, who
// may send to them, and the flows that relay them.
//
// It exists so that signalling never touches a packet. Whatever speaks SIP or H.323
// says where the two ends of a stream are; this package takes ports for them, learns
// from the first packet that fits where the media really comes from (latching), has
// the relay table carry it, and lets go. It knows no SIP and no SDP.
package rtp

import (
	"errors"
	"net/netip"
	"time"
)

// Errors that callers test for.
var (
	// ErrNoPorts: every media port is in use; answer 503 or 500.
	ErrNoPorts = errors.New("all media ports are in use: widen the media port range")
	// ErrReleased: the call's media is over.
	ErrReleased = errors.New("the call's media is released")
	// ErrRefused: media does not go there (ME-07).
	ErrRefused = errors.New("media does not go to this address")
)

// Leg names one side of a call.
type Leg uint8

// The legs of a call.
const (
	LegA Leg = iota // the caller's
	LegB            // the callee's
)

// String returns "A" or "B".
func (l Leg) String() string {
	if l == LegA {
		return "A"
	}
	return "B"
}

// Other returns the leg that media of this one goes to.
func (l Leg) Other() Leg { return LegA + LegB - l }

// Side is an address of ours that media is received at.
type Side struct {
	Local  netip.Addr
	Public netip.Addr // with static NAT: what the far end is told; zero: Local
}

// Remote is what signalling said of a stream's far end on one leg.
type Remote struct {
	RTP  netip.AddrPort // port 0: the stream is rejected or removed
	RTCP netip.AddrPort // zero: RTP's port + 1 (RFC 3550 section 11)
	Mux  bool           // RTCP on RTP's port (RFC 5761)

	// SSRCs are announced sources (RFC 5576): who sends one of them is believed. At
	// most 16 are looked at.
	SSRCs []uint32
	// From, where the far end may be behind a NAT: media may also come from this
	// address, whatever the port. Usually the source of its signalling.
	From netip.Addr

	Send, Receive bool // what the far end does (a=sendonly: Send alone)

	ClockHz uint32 // RTP clock of the first codec; 0: estimated
	Kbps    uint32 // what the far end may send; 0: no policer
}

// Ports are the addresses that a far end sends to, as it is told them.
type Ports struct{ RTP, RTCP netip.AddrPort }

// Direction is what came from one end of a stream.
type Direction struct {
	Packets  uint64    `json:"packets"`
	Bytes    uint64    `json:"bytes"` // UDP payload
	Lost     int64     `json:"lost"`  // on the way to us (RFC 3550 A.3); negative with duplicates
	JitterMs float64   `json:"jitter_ms"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Stream is what a stream has carried (ME-05).
type Stream struct {
	Index int    `json:"index"`
	Kind  string `json:"kind,omitempty"` // for whoever knows it: audio, video, …; empty here
	// Path is what carried the last packet: xdp or userspace; empty: there was none.
	Path   string    `json:"path,omitempty"`
	Reason string    `json:"reason,omitempty"` // why not xdp
	A      Direction `json:"a"`                // what came from leg A's end
	B      Direction `json:"b"`
}
