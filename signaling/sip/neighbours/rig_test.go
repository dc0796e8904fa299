package neighbours

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/routing"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func TestMain(m *testing.M) {
	// gnet brings a pool of goroutines that lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

func parse(t testing.TB, zones string) *config.Node {
	t.Helper()
	text := "system: {name: edge}\ninterfaces: {external: {name: s1}}\nsip: {mode: on, udp: 5060}\nzones:\n" + zones
	n, err := config.Parse("node.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wire is a network in which peers answer as they were told, a moment after they were
// asked. It is driven by a synctest bubble's clock.
type wire struct {
	group *shard.Group
	layer *transaction.Layer

	mu    sync.Mutex
	peers map[netip.Addr]func(req *message.Message) *message.Message // nil: silence
	asked []question
	begun time.Time
}

// question is an OPTIONS that left the node.
type question struct {
	after time.Duration // since the start
	to    transport.Hop
	m     *message.Message
}

var here = netip.MustParseAddrPort("192.0.2.1:5060")

func (w *wire) Local(transport.Hop) (netip.AddrPort, error) { return here, nil }
func (w *wire) PeerNames(*loop.Conn) []string               { return nil }

func (w *wire) Send(h transport.Hop, data []byte, _ func(error)) {
	m, err := message.Parse(data)
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	again := slices.ContainsFunc(w.asked, func(q question) bool { return q.m.Via().Branch() == m.Via().Branch() })
	if !again {
		w.asked = append(w.asked, question{time.Since(w.begun).Round(100 * time.Millisecond), h, m})
	}
	answer := w.peers[h.Remote.Addr()]
	if answer == nil {
		return
	}
	reply, err := message.Parse(answer(m).Append(nil))
	if err != nil {
		panic(err)
	}
	time.AfterFunc(time.Millisecond, func() {
		w.group.Of(reply.CallID()).Post(func() {
			w.layer.Receive(loop.Source{Transport: h.Transport, Local: here, Remote: h.Remote}, reply)
		})
	})
}

func (w *wire) set(addr string, answer func(*message.Message) *message.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[netip.MustParseAddr(addr)] = answer
}

// times returns when an address was asked.
func (w *wire) times(addr string) (out []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		if q.to.Remote.Addr().String() == addr {
			out = append(out, q.after)
		}
	}
	return out
}

// says is a peer that answers with a status and header fields, "Name: value".
func says(status int, fields ...string) func(*message.Message) *message.Message {
	return func(req *message.Message) *message.Message {
		m := message.NewResponse(req, status, "")
		m.SetTo(m.To().WithTag("peer"))
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			m.Set(name, value)
		}
		return m
	}
}

// nobody takes requests: none come in.
type nobody struct{}

func (nobody) Request(*transaction.Server)         {}
func (nobody) Ack(loop.Source, *message.Message)   {}
func (nobody) Stray(loop.Source, *message.Message) {}

// records keeps the events of a log.
type records struct {
	mu     sync.Mutex
	events []string
	whole  []string
}

func (r *records) Event(event string, kv ...any) { r.add(event, kv) }
func (r *records) Warn(event string, kv ...any)  { r.add(event, kv) }

func (r *records) add(event string, kv []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	r.whole = append(r.whole, fmt.Sprint(append([]any{event + " "}, kv...)...))
}

// book is a name server that knows what it was told.
type book struct {
	mu    sync.Mutex
	names map[string][]netip.Addr
}

func (b *book) Addresses(_ context.Context, host string) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.names[host]; a != nil {
		return a, nil
	}
	return nil, errors.New("no such name")
}

func (b *book) set(host string, addrs ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names[host] = nil
	for _, a := range addrs {
		b.names[host] = append(b.names[host], netip.MustParseAddr(a))
	}
}

// node is neighbours at work in a bubble.
type node struct {
	*Neighbours
	wire  *wire
	log   *records
	names *book
	told  []map[string][]netip.Addr
	route *routing.Router
}

// start runs neighbours of a configuration until the test ends. Nothing is random: what
// is about 30 s is 30 s.
func start(t *testing.T, zones string) *node {
	t.Helper()
	n := &node{log: &records{}, names: &book{names: map[string][]netip.Addr{}}}
	n.wire = &wire{group: shard.NewGroup(2), peers: map[netip.Addr]func(*message.Message) *message.Message{}, begun: time.Now()}
	n.wire.layer = transaction.New(n.wire, n.wire.group, nobody{}, transaction.Timers{})
	c := parse(t, zones)
	var err error
	if n.route, err = routing.New(c, routing.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	n.Neighbours = New(c, Deps{
		Sender: n.wire.layer, Group: n.wire.group, Ways: n.wire, Names: n.names, Log: n.log,
		Directory: n.directory, Load: func() Load { return Load{Maximum: 10, Current: 4} },
		Resolved: func(m map[string][]netip.Addr) { n.told = append(n.told, m) },
		Random:   func(n int) int { return n / 2 },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = n.wire.group.Run(ctx) })
	running.Go(func() { _ = n.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return n
}

func (n *node) directory() *zones.Directory { return n.route.Snapshot().Zones }

// zone returns a zone of the node's directory.
func (n *node) zone(name string) *zones.Zone { return n.directory().ByName(name) }
