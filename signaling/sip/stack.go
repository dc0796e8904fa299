// Package sip puts the layers of SIP together: sockets below, transactions on shards above them, and
// for each request the part of the node that it is for.
//
// It exists because somebody has to say, before anything is decided, whether a request is a call, a registration,
// a question to the node itself or something to be passed on, and to refuse it cheaply when there is no room:
// the parts behind it only see what is theirs.
package sip

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Product is what the node calls itself in Server and User-Agent.
const Product = "Turnpike"

// Calls are the calls of a node (b2bua.B2BUA). Everything is called on the shard of the Call-ID.
type Calls interface {
	// Invite is an INVITE outside a dialog.
	Invite(t *transaction.Server)
	// Within takes a request within a dialog; false: the dialog is none of its own, and nothing was done.
	Within(t *transaction.Server) bool
	Ack(src loop.Source, m *message.Message)
}

// Registrar keeps registrations (registrar.Registrar).
type Registrar interface {
	Register(t *transaction.Server)
}

// Proxy passes on what is neither (proxy.Proxy).
type Proxy interface {
	// Request is a request outside a dialog, for somebody else than the node.
	Request(t *transaction.Server)
	// Within takes a request within a dialog that was begun through the proxy; false: it was not.
	Within(t *transaction.Server) bool
}

// Parts are what requests are handed to. Those that are nil do not exist: requests for them are refused.
type Parts struct {
	Calls     Calls
	Registrar Registrar
	Proxy     Proxy
	// Login takes requests of those who have to say who they are before anything else: true when it
	// answered (neighbours.Neighbours).
	Login func(t *transaction.Server) bool
	// Tell adds to an answer to OPTIONS how the node is (neighbours.Neighbours).
	Tell func(src loop.Source, answer *message.Message)
}

// Config says what a Stack listens on and who it is.
type Config struct {
	// Transport is the sockets. Receive is the Stack's.
	Transport transport.Config
	Shards    int // 0: one for each CPU
	Timers    transaction.Timers
	// Own reports whether a URI's host and port name this node: an address of it, a name, a domain. It is
	// asked on every goroutine.
	Own func(message.URI) bool
	// Panicked is told of a request that some part panicked at; may be nil.
	Panicked func(reason any)
}

// Stack is SIP on one node.
type Stack struct {
	cfg       Config
	group     *shard.Group
	transport *transport.Transport
	layer     *transaction.Layer
	parts     Parts

	maintenance atomic.Bool
	refused     atomic.Uint64
	strays      atomic.Uint64
}

// New binds the sockets. Parts are given by Use, because they need what is made here.
func New(cfg Config) (*Stack, error) {
	s := &Stack{cfg: cfg}
	if cfg.Shards == 0 {
		cfg.Shards = runtime.GOMAXPROCS(0)
	}
	if cfg.Panicked == nil {
		cfg.Panicked = func(any) {}
	}
	cfg.Transport.Receive = s.receive
	t, err := transport.New(cfg.Transport)
	if err != nil {
		return nil, err
	}
	s.transport = t
	s.group = shard.NewGroup(cfg.Shards, shard.Panicked(cfg.Panicked))
	s.layer = transaction.New(t, s.group, s, cfg.Timers, transaction.Product(Product))
	return s, nil
}

// Use gives the stack its parts, before Run.
func (s *Stack) Use(p Parts) { s.parts = p }

// Group returns the shards.
func (s *Stack) Group() *shard.Group { return s.group }

// Layer returns the transactions.
func (s *Stack) Layer() *transaction.Layer { return s.layer }

// Transport returns the sockets.
func (s *Stack) Transport() *transport.Transport { return s.transport }

// Run works until ctx ends, or the sockets fail.
func (s *Stack) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	shards := make(chan error, 1)
	go func() { shards <- s.group.Run(ctx) }()
	err := s.transport.Run(ctx)
	cancel()
	return errors.Join(err, <-shards)
}

// Drain switches maintenance mode (RG-08): no new calls and registrations are taken, what is there goes on.
func (s *Stack) Drain(on bool) { s.maintenance.Store(on) }

// Stats counts since the start.
type Stats struct {
	Refused      uint64 // for want of room in a shard
	Strays       uint64 // responses that nobody waited for
	Shards       shard.Stats
	Transactions transaction.Stats
}

// Stats returns the counters.
func (s *Stack) Stats() Stats {
	return Stats{Refused: s.refused.Load(), Strays: s.strays.Load(), Shards: s.group.Stats(), Transactions: s.layer.Stats()}
}

// receive takes a message off a loop and to the shard of its call. What belongs to something that is there
// already finds room longer than what is new.
func (s *Stack) receive(src loop.Source, m *message.Message) {
	on := s.group.Of(m.CallID())
	give := on.Post
	if m.Begins() {
		give = on.Offer
	}
	if !give(func() { s.layer.Receive(src, m) }) {
		s.refuse(src, m)
	}
}

// refuse answers what there is no room for, without keeping anything of it (RFC 3261 section 21.5.4).
func (s *Stack) refuse(src loop.Source, m *message.Message) {
	s.refused.Add(1)
	if m.IsRequest() && m.Method() != message.Ack {
		s.layer.Refuse(src, m, 503, retryLater)
	}
}

func retryLater(m *message.Message) { m.Set("Retry-After", transaction.RetryAfter) }
