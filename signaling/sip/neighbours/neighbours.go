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
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
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

// Ways are the sockets (transport.Transport).
type Ways interface {
	// Local returns our address and listening port towards a hop.
	Local(h transport.Hop) (netip.AddrPort, error)
	// PeerNames returns what the other end of a TLS connection has proved to be called.
	PeerNames(c *loop.Conn) []string
}

// Sender sends requests (transaction.Layer).
type Sender interface {
	Send(s *shard.Shard, m *message.Message, h transport.Hop, u transaction.User) *transaction.Client
}

// Passwords challenge who has not proved an account (access). Prove answers the request
// itself when it returns false.
type Passwords interface {
	Prove(t *transaction.Server, account string) bool
}

// Deps are what Neighbours work with.
type Deps struct {
	Sender    Sender
	Group     *shard.Group
	Ways      Ways
	Names     Names
	Passwords Passwords // of traversal clients; nil: none of them gets in
	Directory Directory
	Load      func() Load // of this node
	Log       Log
	// Resolved is told of the addresses of all peers that are names, whenever one changes
	// (routing.Surroundings.Resolved). It must not call Change.
	Resolved func(map[string][]netip.Addr)
	Random   func(n int) int // below n; nil: a good one
}

// Neighbours are the zones of the list. Methods may be called from any goroutine.
type Neighbours struct {
	deps  Deps
	times times
	heard func(key) // of tests: something is known of a peer; nil: nobody listens
	now   atomic.Pointer[table]
	// conns are the connections of traversal clients that have logged in, with their zones:
	// *loop.Conn to *line's name.
	conns sync.Map

	changed chan struct{} // holds one: names may be new

	mu       sync.Mutex // guards what follows: not taken on the path of a call
	config   *config.Node
	resolved map[string][]netip.Addr
	running  bool
	watches  map[key]*watch
}

var _ zones.Health = (*Neighbours)(nil)

// New returns the zones of a configuration, whose peers nobody has asked yet.
func New(n *config.Node, d Deps) *Neighbours {
	if d.Random == nil {
		d.Random = rand.IntN
	}
	out := &Neighbours{deps: d, times: usual(), changed: make(chan struct{}, 1), resolved: map[string][]netip.Addr{}, watches: map[key]*watch{}}
	out.Change(n)
	return out
}

// Run asks peers and name servers until ctx ends.
func (n *Neighbours) Run(ctx context.Context) error {
	n.mu.Lock()
	n.running = true
	n.tend()
	n.mu.Unlock()
	n.resolve(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = false
	for k, w := range n.watches {
		w.shard.Post(w.stop)
		delete(n.watches, k)
	}
	return nil
}

// Change puts a configuration in force. Peers that stay keep what is known of them.
func (n *Neighbours) Change(c *config.Node) {
	n.mu.Lock()
	n.config = c
	n.rebuild()
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// rebuild makes the table of what configuration and name servers say now. The caller
// holds mu.
func (n *Neighbours) rebuild() {
	n.now.Store(newTable(n.config, n.now.Load(), n.resolved))
	n.tend()
}

// Settings returns how a zone speaks SIP. A zone that is not of the list has none.
func (n *Neighbours) Settings(z *zones.Zone) Settings {
	if l := n.now.Load().lines[z.Name]; l != nil {
		return l.settings
	}
	return Settings{}
}

// Hops returns where a peer of a zone is; nil while its name has no known address, and of
// a traversal client that is not connected.
func (n *Neighbours) Hops(z *zones.Zone, i int) []transport.Hop {
	t := n.now.Load()
	if z.Type == zones.TraversalServer {
		return t.lines[z.Name].slot(i).hops()
	}
	if p := t.peer(z, i); p != nil {
		return p.hops
	}
	return nil
}

// Peer says how a peer of a zone is (zones.Health).
func (n *Neighbours) Peer(z *zones.Zone, i int) zones.PeerState {
	t := n.now.Load()
	if z.Type == zones.TraversalServer {
		return t.lines[z.Name].slot(i).state()
	}
	if p := t.peer(z, i); p != nil {
		return *p.state.Load()
	}
	return zones.PeerState{}
}

// Tell adds to an answer to OPTIONS how this node is, if who asked is a peer of a zone of
// the list.
func (n *Neighbours) Tell(src loop.Source, answer *message.Message) {
	if z := n.Source(src); z.Listed() && z.Type != zones.DNS {
		answer.Set(Header, n.deps.Load().String())
	}
}
