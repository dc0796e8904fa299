package relay

import (
	"errors"
	"net/netip"
	"time"
)

// Errors that callers test for.
var (
	ErrFull     = errors.New("flow table is full")
	ErrExists   = errors.New("another pair has this key")
	ErrNotFound = errors.New("no such pair")
)

// Table holds the pairs of flows of this node.
type Table interface {
	// Add returns when datagrams of both flows are relayed: answer the client after
	// it. It returns ErrFull or ErrExists, and then nothing is installed.
	Add(Pair) (ID, error)
	// Update replaces both flows; the keys must stay. Counters go on.
	Update(ID, Pair) error
	// Renew moves Pair.NotAfter.
	Renew(ID, time.Time) error
	// Remove returns when nothing of the pair is relayed any more: free its port
	// after it. It returns the final counters.
	Remove(ID) ([2]FlowStats, error)
	// Stats returns a pair as it stands.
	Stats(ID) (PairInfo, error)
	// List returns every pair.
	List() []PairInfo
	// Forward relays a datagram of a flow with Stream set. It reports false when
	// there is no such flow. payload is the data without ChannelData header.
	Forward(k Key, payload []byte) bool
}

// PortKind says what may reach a local UDP port without a flow.
type PortKind uint8

// Kinds of ports.
const (
	// PortListener takes anything: STUN requests come here.
	PortListener PortKind = 1 + iota
	// PortRelay takes only what a permission allows (RFC 8656 section 9); the rest
	// is dropped, in the kernel where XDP runs.
	PortRelay
	// PortLearning takes anything while an RTP leg learns its remote address.
	PortLearning
)

// Gate tells both back ends which local ports are ours and who may send to them
// without a flow. Calls are idempotent.
type Gate interface {
	OpenPort(local netip.AddrPort, kind PortKind) error
	ClosePort(local netip.AddrPort) error
	// Permit lets peer (any port) send to the relay at local until the given time.
	Permit(local netip.AddrPort, peer netip.Addr, until time.Time) error
	Revoke(local netip.AddrPort, peer netip.Addr) error
}

// Meta is what a datagram's IP header carries through the relay (RFC 8656
// sections 12–15): traffic class and hop limit as received, or to send with.
type Meta struct {
	TrafficClass uint8 // DSCP and ECN
	HopLimit     uint8 // 0 when sending: the system's default
	DontFragment bool  // sending over IPv4: set DF
}

// Datagram is one received by a socket of the process that no flow took.
// Payload is only valid during the call.
type Datagram struct {
	Local, Remote netip.AddrPort
	Payload       []byte
	Meta          Meta
}

// Socket is a UDP socket of the process on one local address.
type Socket interface {
	Local() netip.AddrPort
	// Send writes one datagram; it does not block. A full socket buffer drops it.
	Send(payload []byte, dst netip.AddrPort, m Meta) error
	// Close returns when the handler is not running and will not be called again
	// (except when called from the handler itself) and the port is free.
	Close() error
}

// Sockets opens the UDP sockets of the process. handler is called for what no flow
// takes, on a loop's goroutine: it must not block, and may run for several sockets
// at the same time. A port in use gives an error that wraps syscall.EADDRINUSE.
type Sockets interface {
	Open(local netip.AddrPort, handler func(Socket, Datagram)) (Socket, error)
}
