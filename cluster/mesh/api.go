package mesh

import (
	"context"
	"net"
	"net/netip"

	"turnpike.dev/turnpike/cluster"
)

// Mesh is a node's connections with its peers. Its methods may be called at any time.
type Mesh struct {
	cfg Config
}

// New returns a mesh that speaks to nobody until List says whom there is.
func New(cfg Config) (*Mesh, error) { return &Mesh{cfg: cfg}, nil }

// Run listens and keeps the connections until ctx ends.
func (m *Mesh) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// List takes the list of peers as it is now. own is this node's index in it, from 0; -1: none.
// mapping answers for names before DNS does (CL-07); nil: it is off. The pin of an entry that has gone is dropped.
func (m *Mesh) List(addresses []string, own int, mapping map[string]netip.Addr) {}

// SendEntry sends a message to an entry of the list. It says false where there is no connection, or
// its queue is full: then the message is thrown away.
func (m *Mesh) SendEntry(address string, message any) bool { return false }

// Send is SendEntry to the node that proved to be to.
func (m *Mesh) Send(to cluster.ID, message any) bool { return false }

// Say tells all peers that the hello has changed.
func (m *Mesh) Say() {}

// Request asks a peer and waits for its answer. to is a node's id or an entry of the list.
func (m *Mesh) Request(ctx context.Context, to cluster.ID, name string, body []byte) ([]byte, error) {
	return nil, ErrNotConnected
}

// Raft opens a stream for raft to a peer with the same cluster id.
func (m *Mesh) Raft(ctx context.Context, to cluster.ID) (net.Conn, error) {
	return nil, ErrNotConnected
}

// Peer returns a peer that there is a connection with.
func (m *Mesh) Peer(id cluster.ID) (Peer, bool) { return Peer{}, false }

// Peers returns all of them, in the order of the list.
func (m *Mesh) Peers() []Peer { return nil }

// Trust drops the pin of an entry, so that the key that it shows next is pinned (`cluster trust`).
func (m *Mesh) Trust(address string) error { return nil }
