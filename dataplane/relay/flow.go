// Package relay is the flow API of the data plane: what a relayed stream is, and
// the table that TURN and RTP put their streams into.
//
// A relayed stream, whatever protocol asked for it, is a pair of flows, one in
// each direction. A flow says which UDP datagrams it takes (Key) and what becomes
// of them (Out). The table gives every flow to the process's own relay and, where
// the interfaces allow it, to the XDP program as well; both do the same to a
// packet and count the same things, so a packet that the kernel leaves alone is
// still relayed.
package relay

import (
	"net/netip"
	"time"
)

// Key is what a flow matches: one UDP 5-tuple and, on the client's side of a TURN
// relay, the channel number inside it.
//
// Addresses are never IPv4-mapped IPv6 addresses (see Canonical).
type Key struct {
	Local   netip.AddrPort // our address, the datagram's destination
	Remote  netip.AddrPort // the sender
	Channel uint16         // 0x4000–0x7FFF; 0: the payload is not ChannelData
}

// Out is what a matching datagram becomes. With Key.Channel set the ChannelData
// header is taken off; with Out.Channel set one is put on; with both it is swapped.
type Out struct {
	Src     netip.AddrPort // our address that the datagram leaves from
	Dst     netip.AddrPort // where it goes
	Channel uint16         // number of the ChannelData header to add; 0: none
}

// Flow is one direction of a relayed stream.
type Flow struct {
	Key Key
	Out Out

	// RateKbps is what the policer grants, payload without IP, UDP, ChannelData
	// and RTP headers (BW-06). 0: no policer.
	RateKbps uint32
	// Depth is how much of RateKbps may come at once. Less than a second means a second.
	Depth time.Duration
	// Groups are the buckets that the flow shares with others, zeros aside (BW-06): of its
	// call, and of the pipes that it goes through. One that stands there twice is charged
	// twice; one that is not open limits nothing.
	Groups [MaxGroups]Group
	// ClockHz is the RTP clock of the stream, for its jitter. 0: unknown; the
	// table estimates it from the stream.
	ClockHz uint32
	// SplitRTCP: RTCP is not the flow's but the socket's handler's, because the other end
	// has it on a port of its own (RFC 5761 section 5.1.1).
	SplitRTCP bool

	// Sink, when set, takes the payload (ChannelData header included, when
	// Out.Channel asks for one) instead of a socket: the receiver is a TCP or TLS
	// client. Such a flow, and one whose Key.Remote is such a client (Stream),
	// never goes to the kernel. The slice is only valid during the call.
	Sink func(payload []byte)
	// Stream: datagrams of this flow come from a TCP or TLS client through
	// Table.Forward and not from a socket.
	Stream bool
}

// Direction names the two flows of a pair.
type Direction uint8

// The flows of a pair. For TURN, up is from the client to its peer.
const (
	Up Direction = iota
	Down
)

// String returns "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Pair is a relayed stream: two flows with one owner and one end.
type Pair struct {
	// Owner names the allocation or the call, for listings: "turn:17".
	Owner string
	// Flows is indexed by Direction.
	Flows [2]Flow
	// NotAfter is when the permission to relay ends unless renewed: also without
	// the process nothing is relayed later. Zero: no end of its own.
	NotAfter time.Time
}

// ID names a pair in its table, from Add to Remove. It is not reused within a process.
type ID uint64

// Path says who relays a flow.
type Path string

// Paths.
const (
	PathXDP       Path = "xdp"
	PathUserspace Path = "userspace"
)

// FlowStats is a flow's counters and who relays it.
type FlowStats struct {
	Counters
	// Process is what of the counters went through the process; the rest is the kernel's.
	Process Carried `json:"process,omitzero"`
	Path    Path    `json:"path"`
	Reason  string  `json:"reason,omitempty"` // why not on XDP
	// Last is who relayed the last packet; empty: there was none.
	Last Path `json:"-"`
}

// PairInfo is a pair as it stands in the table.
type PairInfo struct {
	ID    ID
	Pair  Pair
	Stats [2]FlowStats
}

// Canonical returns a with an IPv4-mapped IPv6 address made IPv4 and without zone.
func Canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
