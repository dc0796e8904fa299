// Package neighbours is SIP with the zones of the list: which of their peers live, how
// many media sessions they have left, how each is reached, and whether who says that it
// is one of them is.
//
// It exists because a call must not wait for a peer that has been silent for a minute,
// should go to the peer with the most room (RG-06), and because the address on a
// datagram proves nothing where a zone's certificate could. Peers are asked with
// OPTIONS, each on a shard of its own; what is known of them is read on the path of a
// call without a lock.
package neighbours

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Load is what this node tells the peers of zones of itself (RG-06, RG-08).
type Load struct {
	Maximum, Current int // media sessions
	Maintenance      bool
}

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
}

// Names finds the addresses of peers that are names (locate.Resolver).
type Names interface {
	Addresses(ctx context.Context, host string) ([]netip.Addr, error)
}

// Directory knows the zones in force (routing.Router's snapshot).
type Directory func() *zones.Directory

// Deps are what Neighbours work with.
type Deps struct {
	Names     Names
	Directory Directory
	Load      func() Load // of this node
	Log       Log
	// Resolved is told of the addresses of all peers that are names, whenever one changes
	// (routing.Surroundings.Resolved).
	Resolved func(map[string][]netip.Addr)
}

// Neighbours are the zones of the list. Methods may be called from any goroutine.
type Neighbours struct {
	deps Deps
	now  atomic.Pointer[table]

	mu       sync.Mutex // guards what follows: not taken on the path of a call
	resolved map[string][]netip.Addr
}

var _ zones.Health = (*Neighbours)(nil)

// New returns the zones of a configuration, whose peers nobody has asked yet.
func New(n *config.Node, d Deps) *Neighbours {
	out := &Neighbours{deps: d, resolved: map[string][]netip.Addr{}}
	out.Change(n)
	return out
}

// Run asks peers and name servers until ctx ends.
func (n *Neighbours) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Change puts a configuration in force. Peers that stay keep what is known of them.
func (n *Neighbours) Change(c *config.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now.Store(newTable(c, n.now.Load(), n.resolved))
}

// Settings returns how a zone speaks SIP. A zone that is not of the list has none.
func (n *Neighbours) Settings(z *zones.Zone) Settings {
	if line := n.now.Load().lines[z.Name]; line != nil && z.Listed() {
		return line.settings
	}
	return Settings{}
}

// Hops returns where a peer of a zone is; nil while its name has no known address.
func (n *Neighbours) Hops(z *zones.Zone, i int) []transport.Hop {
	if p := n.now.Load().peer(z, i); p != nil {
		return p.hops
	}
	return nil
}

// Peer says how a peer of a zone is (zones.Health).
func (n *Neighbours) Peer(z *zones.Zone, i int) zones.PeerState {
	if p := n.now.Load().peer(z, i); p != nil {
		return *p.state.Load()
	}
	return zones.PeerState{}
}

// Source returns the zone that a message comes from: of the list, or the Default Zone. It
// goes by the certificate where the sender has shown one that fits a zone with
// tls_verify (RFC 5922), by the connection of a traversal client that has logged in, and
// otherwise by the address: but never to a zone with tls_verify, for which an address
// proves nothing.
func (n *Neighbours) Source(src loop.Source) *zones.Zone {
	d := n.deps.Directory()
	z := d.BySource(src.Remote)
	if n.Settings(z).Verify {
		return d.Default()
	}
	return z
}

// Tell adds to an answer to OPTIONS how this node is, if who asked is a peer of a zone of
// the list.
func (n *Neighbours) Tell(from *zones.Zone, answer *message.Message) {}

// Closed says that a connection has gone. It belongs to transport.Config.Closed.
func (n *Neighbours) Closed(c *loop.Conn) {}
