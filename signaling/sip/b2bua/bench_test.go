package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// bench is a node whose wire gives each message of the callee's at once: what is measured
// is parsing, transactions, the call and writing, of a call from INVITE to BYE with audio
// relayed. Left out are sockets, the dial plan, the relay's own work and passwords.
type bench struct {
	*rig
	answers chan []byte // to alice
	layer   *transaction.Layer
}

func (b *bench) Send(h transport.Hop, data []byte, _ func(error)) {
	data = append([]byte(nil), data...)
	if h.Remote.Addr() == alice.Addr() {
		b.answers <- data
		return
	}
	m, err := message.Parse(data)
	if err != nil || !m.IsRequest() || m.Method() == message.Ack {
		return
	}
	out := message.NewResponse(m, 200, "")
	out.SetTo(m.To().WithTag("bob"))
	if m.Method() == message.Invite {
		out.SetContacts(message.Address{URI: message.URI{Scheme: "sip", User: "bob", Host: bob.Addr().String(), Port: bob.Port()}})
		ringing := message.NewResponse(m, 180, "")
		ringing.SetTo(out.To())
		b.receive(bob, ringing.Append(nil))
		out.SetBody(sdpType, []byte(offerOf(bob)))
	}
	b.receive(bob, out.Append(nil))
}

// receive is what the transport does with a datagram.
func (b *bench) receive(from netip.AddrPort, data []byte) {
	m, err := message.Parse(data)
	if err != nil {
		panic(err)
	}
	to := inside
	if from == alice {
		to = outside
	}
	b.group.Of(m.CallID()).Post(func() { b.layer.Receive(loop.Source{Local: to, Remote: from}, m) })
}

// await reads alice's messages up to the one with a status.
func (b *bench) await(status int) *message.Message {
	for data := range b.answers {
		if m, err := message.Parse(data); err == nil && m.Status() == status {
			return m
		}
	}
	return nil
}

// BenchmarkCall says what a call costs, the ends' own parsing and writing included.
func BenchmarkCall(b *testing.B) {
	for _, trace := range []bool{false, true} {
		b.Run(fmt.Sprintf("trace=%t", trace), func(b *testing.B) { benchCall(b, trace) })
	}
}

func benchCall(b *testing.B, trace bool) {
	n := &bench{rig: newRig(b), answers: make(chan []byte, 64)}
	n.group = shard.NewGroup(1)
	n.book = calls.New(calls.Config{Trace: trace})
	n.limit = dialog.Limits{Time: 1800e9, Min: 90e9}
	n.layer = transaction.New(n, n.group, core{n.rig}, transaction.Timers{}, transaction.Limit(1<<20, 1<<16))
	n.node = New(Config{
		Group: n.group, Layer: n.layer, Local: n.Local, Access: n, Router: n, Places: n, Media: n.relay, Book: n.book, Policy: &n.rules, Resources: n.rig,
	})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = n.group.Run(ctx) })
	b.ReportAllocs()
	before := cpu(b)
	for i := 0; b.Loop(); i++ {
		n.call(i)
		if i%1000 == 0 {
			n.asked, n.relay.all, n.relay.next = nil, nil, 36000
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-µs/op")
	cancel()
	running.Wait()
}

// cpu is the time that the process has computed, in nanoseconds: the machine may be busy
// with others.
func cpu(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// call is one call of alice's.
func (b *bench) call(i int) {
	p := &phone{r: b.rig, at: alice, name: "alice", tag: "a"}
	u, _ := message.ParseURI("sip:bob@example.test")
	req := func(method message.Method, seq uint32, to message.Address, uri message.URI) *message.Message {
		m := message.NewRequest(method, uri)
		m.SetMaxForwards(70)
		m.SetFrom(message.Address{URI: u}.WithTag("a"))
		m.SetTo(to)
		m.SetCallID(fmt.Sprint("call-", i))
		m.SetCSeq(seq, method)
		m.SetContacts(p.contact())
		m.PushVia(message.Via{Transport: "UDP", Host: alice.Addr().String(), Port: alice.Port(), Params: message.Params{{Name: "branch", Value: message.NewBranch()}}})
		return m
	}
	m := req(message.Invite, 1, message.Address{URI: u}, u)
	m.SetBody(sdpType, []byte(offerOf(alice)))
	b.receive(alice, m.Append(nil))
	ok := b.await(200)
	target := ok.Contacts()[0].URI
	b.receive(alice, req(message.Ack, 1, ok.To(), target).Append(nil))
	b.receive(alice, req(message.Bye, 2, ok.To(), target).Append(nil))
	b.await(200)
}
