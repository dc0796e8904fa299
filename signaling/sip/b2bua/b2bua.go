// Package b2bua carries calls: an INVITE that comes in on one leg goes out on others, and
// what either end says afterwards is passed to the other end in words of its own.
//
// It exists so that the two ends of a call never meet: each has a dialog with this node,
// with our Contact, Call-ID and tags, its own sequence numbers and session timer. That is
// what lets the node change where a call goes, relay its media, hide one side from the
// other, and end a call whose end is lost.
//
// What belongs to a call runs on the shard that owns its Call-IDs, without locks. In the
// order of what is going on: an INVITE makes a call (call.go), which is routed (route.go)
// to forks (fork.go); each dialog of a fork makes a pair of legs (pair.go, leg.go); requests
// within them are passed (within.go, exchange.go) until one end says BYE (ending.go).
// Bodies go through the fork's media (media.go).
package b2bua

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/access"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/patience"
	"turnpike.dev/turnpike/signaling/sip/places"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Layer is the transactions that requests go through.
type Layer interface {
	Send(s *shard.Shard, m *message.Message, h transport.Hop, u transaction.User) *transaction.Client
	Pass(m *message.Message, h transport.Hop)
}

// Access says who sends a request; where it is done, it has answered it.
type Access interface {
	Check(t *transaction.Server) (who access.Caller, done bool)
}

// Router says where a call goes.
type Router interface {
	Locate(req *dialplan.Request, out *dialplan.Result, t *trace.Trace)
}

// Places turns a target into places to send a request to, in order. done runs on the
// caller's shard.
type Places interface {
	Find(on places.Poster, t *dialplan.Target, done func([]places.Place, error))
}

// Book keeps the records of calls.
type Book interface {
	Begin(info calls.Info, h calls.Handle) *calls.Entry
}

// Config is what a B2BUA needs. Find and Book may be nil: then no name in a Contact is
// looked up, and nothing is recorded.
type Config struct {
	Group  *shard.Group
	Layer  Layer
	Local  func(transport.Hop) (netip.AddrPort, error) // transport.Transport.Local
	Access Access
	Router Router
	Places Places
	Find   func(context.Context, message.URI) ([]transport.Hop, error) // locate
	Media  Media
	Book   Book
	Policy Policy
	// Resources admits calls; nil: none is refused, and nothing is counted.
	Resources Resources
}

// B2BUA is every call of the node.
type B2BUA struct {
	cfg      Config
	tables   []*table // by shard
	loops    memory
	patience *patience.Patience // nil: nothing is counted

	mu     sync.Mutex // a leaf: nothing is called under it
	owners map[string]*call
}

// timerC bounds the time from one provisional response to the next (RFC 3261 section 16.8).
const timerC = 185 * time.Second

// New makes a B2BUA without calls.
func New(cfg Config) *B2BUA {
	b := &B2BUA{cfg: cfg, owners: map[string]*call{}}
	if cfg.Resources != nil {
		b.patience = patience.New(cfg.Resources.Await)
	}
	for range cfg.Group.All() {
		b.tables = append(b.tables, newTable())
	}
	return b
}

// Invite takes an INVITE that begins a call: one without a To tag. On its shard.
func (b *B2BUA) Invite(t *transaction.Server) { b.begin(t) }

// Within takes a request within a dialog. It reports whether the dialog is one of ours; if
// not, nothing is done. On its shard.
func (b *B2BUA) Within(t *transaction.Server) bool {
	l := b.table(t.Shard()).leg(t.Request())
	if l == nil {
		return false
	}
	l.request(t)
	return true
}

// Ack takes the ACK of a 2xx; those of nobody are dropped. On its shard.
func (b *B2BUA) Ack(src loop.Source, m *message.Message) {
	if l := b.table(b.cfg.Group.Of(m.CallID())).leg(m); l != nil {
		l.record(src, m)
		l.acked(m)
	}
}

// Calls is how many calls there are, those that are being set up included.
func (b *B2BUA) Calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.owners)
}

// Waited says what became of calls that waited for what other peers of the cluster had.
func (b *B2BUA) Waited() patience.Stats { return b.patience.Stats() }

// Silent ends a call whose media stopped: for rtp.Config. From any goroutine.
func (b *B2BUA) Silent(owner string) {
	b.mu.Lock()
	c := b.owners[owner]
	b.mu.Unlock()
	if c != nil {
		c.shard.Post(func() { c.endBy(byMedia) })
	}
}

// Over is told of a call that goes on sending more than it was granted: for rtp.Config
// (BW-06). From any goroutine.
func (b *B2BUA) Over(owner string, policedKbps uint32) {
	b.mu.Lock()
	c := b.owners[owner]
	b.mu.Unlock()
	if c != nil {
		c.shard.Post(func() { c.overGrant(policedKbps) })
	}
}

func (b *B2BUA) own(c *call) {
	b.mu.Lock()
	b.owners[c.owner] = c
	b.mu.Unlock()
}

func (b *B2BUA) disown(c *call) {
	b.mu.Lock()
	delete(b.owners, c.owner)
	b.mu.Unlock()
}
