package transaction

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("192.0.2.2:5060")
)

// end is one side: a layer, what it sends and what its users are told. Everything in it happens on its one shard, or in a
// synctest bubble while nothing else runs.
type end struct {
	*Layer
	group *shard.Group
	shard *shard.Shard
	at    netip.AddrPort

	// carry takes what is sent; failed is not nil where somebody wants to know.
	carry func(h transport.Hop, data []byte, failed func(error))
	// serve answers requests; nil: they wait in requests.
	serve    func(*Server)
	requests []*Server
	acks     []*message.Message
	strays   []*message.Message
}

func newEnd(t testing.TB, at netip.AddrPort, options ...Option) *end {
	e := &end{group: shard.NewGroup(1, shard.Panicked(func(reason any) {
		if err, ok := reason.(error); !ok || !errors.Is(err, errOnPurpose) {
			t.Errorf("panic: %v", reason)
		}
	})), at: at}
	e.shard = e.group.All()[0]
	e.carry = func(transport.Hop, []byte, func(error)) {}
	e.Layer = New(e, e.group, e, Timers{}, options...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.group.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return e
}

var errOnPurpose = errors.New("a panic on purpose")

func (e *end) Local(transport.Hop) (netip.AddrPort, error) { return e.at, nil }

func (e *end) Send(h transport.Hop, data []byte, failed func(error)) {
	e.carry(h, append([]byte(nil), data...), failed)
}

func (e *end) Request(s *Server) {
	if e.serve != nil {
		e.serve(s)
		return
	}
	e.requests = append(e.requests, s)
}

func (e *end) Ack(_ loop.Source, m *message.Message)   { e.acks = append(e.acks, m) }
func (e *end) Stray(_ loop.Source, m *message.Message) { e.strays = append(e.strays, m) }

// do runs f on the shard and waits for it.
func (e *end) do(f func()) {
	done := make(chan struct{})
	e.shard.Post(func() { defer close(done); f() })
	<-done
}

// arrive has bytes come in from another end.
func (e *end) arrive(src loop.Source, data []byte) {
	e.shard.Post(func() {
		m, err := message.Parse(data)
		if err != nil {
			panic(err)
		}
		e.Receive(src, m)
	})
}

// request makes a request for the other end.
func request(method message.Method, id string) *message.Message {
	uri := message.URI{Scheme: "sip", User: "bob", Host: "example.test"}
	m := message.NewRequest(method, uri)
	m.SetMaxForwards(70)
	m.SetFrom(message.Address{URI: message.URI{Scheme: "sip", User: "alice", Host: "example.test"}}.WithTag("from-" + id))
	m.SetTo(message.Address{URI: uri})
	m.SetCallID(id)
	m.SetCSeq(1, method)
	return m
}

// asker records what a client's user is told.
type asker struct {
	statuses []int
	errs     []error
	on       func(*Client, *message.Message)
}

func (a *asker) Response(c *Client, m *message.Message) {
	a.statuses = append(a.statuses, m.Status())
	if a.on != nil {
		a.on(c, m)
	}
}

func (a *asker) Failed(_ *Client, err error) { a.errs = append(a.errs, err) }

// join lets two ends hear each other, each message after a moment.
func join(a, b *end, t loop.Transport) {
	one := func(from, to *end) func(transport.Hop, []byte, func(error)) {
		return func(h transport.Hop, data []byte, _ func(error)) {
			src := loop.Source{Transport: t, Local: to.at, Remote: from.at}
			from.shard.After(10*time.Millisecond, func() { to.arrive(src, data) })
		}
	}
	a.carry, b.carry = one(a, b), one(b, a)
}
