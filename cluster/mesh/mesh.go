// Package mesh carries what peers say to each other.
//
// It exists so that there is one place that decides who is spoken to, and one that keeps a slow
// or dead peer from being felt by the others. Every node dials every other entry of its list, sends on
// the connections that it dialled and reads on those that it accepted; so both directions of the ports are proved.
// What is spoken to is an entry of the list that answers at an address that the entry stands for, with
// the key that was pinned at the first contact (Permissive) or a certificate that carries the entry's
// name (Enforce), CL-05. All else is refused, counted by its reason and told.
//
// All of it is TLS 1.3 with a certificate on both sides. ALPN tells the streams apart: rows (one
// connection for small messages, one for bulk, so that a snapshot never delays a heartbeat), requests, raft, and
// recovery on a port of its own. Nothing waits for a peer: a message that does not fit into the queue of a
// connection is refused at once, the cores say it again; what is not written within its deadline ends the connection.
package mesh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/wire"
)

// Ports that peers use unless configured (CL-08).
const (
	DefaultPort         = 4372
	DefaultRecoveryPort = 4371
	DefaultFirstSource  = 30000
	DefaultLastSource   = 35999
)

// Config says who a node is among its peers.
type Config struct {
	Self cluster.ID
	// Local is the address of the clustering interface: connections come from it and are accepted on it.
	Local        netip.Addr
	Port         uint16
	RecoveryPort uint16
	// SourcePorts are the first and the last port that connections are dialled from (CL-08); zero: any.
	SourcePorts [2]uint16
	// UDPPort is one that peers use besides, by other means than these (CL-08): Probe says whether it can be
	// reached. Zero: none.
	UDPPort uint16

	Certificate func() *tls.Certificate
	// Verify says whether a chain leads to a trusted authority, is valid now and not revoked. Names
	// are checked here.
	Verify func(chain []*x509.Certificate) error
	// Enforce refuses whose certificate is at fault (CL-05). It is what is active, not what is configured.
	Enforce bool

	Files Files
	Dir   string // of the file of pins

	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Hello is what this node says of itself now. It is asked from many goroutines.
	Hello func() wire.Hello
	// Probe is what this node answers on the recovery port, besides Hello; nil: nothing.
	Probe   func() wire.Probe
	Handler Handler
	Log     Log
	// Dial is how connections are made; nil: from Local and SourcePorts. Listen likewise.
	Dial   func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	Listen func(at netip.AddrPort) (net.Listener, error)
}

// Files keeps the pins. ReadFile returns fs.ErrNotExist for a file that is not there; ReplaceFile
// leaves the old or the new content, whatever happens.
type Files interface {
	ReadFile(name string) ([]byte, error)
	ReplaceFile(name string, data []byte) error
}

// Log takes records of the event log: an event and pairs of names and values.
type Log interface {
	Event(event string, pairs ...any)
	Warn(event string, pairs ...any)
}

// Peer is a node that has proved to be an entry of the list.
type Peer struct {
	ID      cluster.ID
	Address string         // its entry
	Addr    netip.AddrPort // where it is
	Hello   wire.Hello
	Key     [32]byte // SHA-256 of its public key (SubjectPublicKeyInfo)
}

// Handler is told what happens. It is called from the mesh's goroutines and must not block,
// except in Request.
type Handler interface {
	// Connected says that a connection with a peer stands, in one direction or the other. It comes again with
	// each further one, and whenever the peer's hello changes.
	Connected(p Peer)
	// Received is a message of a peer: one of wire's, of a core.
	Received(p Peer, m any)
	// Closed says that a connection with a peer ended that had been told by Connected.
	Closed(p Peer, why error)
	// Failed says that an entry was not reached, or that somebody was refused; then address is the entry
	// that he came from, or his IP address if there is none. errors.Is tells the reason: ErrResolve (20005), ErrKey, …
	Failed(address string, why error)
	// Certificate says what is wrong with the certificate of an entry, as Enforce sees it; fault is
	// empty where it is valid.
	Certificate(address, fault string)
	// Request answers a peer's request. It may block, until ctx ends: then nobody waits any more.
	Request(ctx context.Context, p Peer, name string, body []byte) ([]byte, error)
	// Raft takes over a stream of a peer with the same cluster id.
	Raft(p Peer, conn net.Conn)
}
