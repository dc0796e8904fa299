// Package transaction makes requests and responses out of messages: each request reaches its user once
// and is answered, each request that is sent is answered or fails, whatever the network loses, repeats or
// brings late.
//
// It is RFC 3261 section 17 with the corrections of RFC 6026 (a transaction that was accepted) and RFC
// 4320 (no 408 and no provisional answers to anything but INVITE). It exists apart from a library's
// because of what stays behind: most transactions of a node are over and only wait for a request that is
// repeated. Here such a one is a key of 16 bytes and the bytes of its answer, not two parsed messages with
// timers of their own.
//
// Everything of a call happens on the shard that owns its Call-ID, without locks.
package transaction

import (
	"errors"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// Why a transaction ended. A transport's error is none of these.
var (
	ErrTimeout = errors.New("no final answer came in time")
	ErrNoAck   = errors.New("the answer was not acknowledged")
	ErrBusy    = errors.New("there are as many transactions as are allowed")
	ErrShard   = errors.New("the Call-ID belongs to another shard")
)

// Sender carries messages; transport.Transport is one.
type Sender interface {
	// Local is our address and listening port towards a hop, for Via.
	Local(transport.Hop) (netip.AddrPort, error)
	// Send does not block and keeps data. failed is called at most once, on any goroutine; it may be nil.
	Send(h transport.Hop, data []byte, failed func(error))
}

// Core is what uses the transactions of requests that arrive. It is called on the shard of the Call-ID.
type Core interface {
	// Request is a new request, never an ACK or a CANCEL. It is answered through t, now or later.
	Request(t *Server)
	// Ack is the ACK of a 2xx, each time it comes. That the 2xx is not sent again is seen to.
	Ack(src loop.Source, m *message.Message)
	// Stray is a response that no transaction waits for.
	Stray(src loop.Source, m *message.Message)
}

// User is told what becomes of a request that was sent. It is called on the shard of the Call-ID.
type User interface {
	// Response is every provisional response, 100 too, and the final one; of an INVITE each 2xx, also a
	// repeated one and those of other branches (RFC 3261 section 13.2.2.4), for 32 s.
	Response(c *Client, m *message.Message)
	// Failed: there will be no final response. ErrTimeout stands for a 408, others for a 503 (RFC 3261
	// section 8.1.3.1).
	Failed(c *Client, err error)
}

// Timers are those of RFC 3261 appendix A, from which the others follow. Zero fields have the RFC's values.
type Timers struct {
	T1 time.Duration // round trip: 500 ms
	T2 time.Duration // longest time between repetitions of a request that is no INVITE, or of a response: 4 s
	T4 time.Duration // how long a message stays in the network: 5 s
	// Patience bounds what the RFC leaves to users: an INVITE without a new response for so long is given up: 10 min.
	Patience time.Duration
}

func (t Timers) orRFC() Timers {
	for _, d := range []struct {
		value *time.Duration
		rfc   time.Duration
	}{{&t.T1, 500 * time.Millisecond}, {&t.T2, 4 * time.Second}, {&t.T4, 5 * time.Second}, {&t.Patience, 10 * time.Minute}} {
		if *d.value == 0 {
			*d.value = d.rfc
		}
	}
	return t
}

// long is how long a transaction waits at most: timers B, D, F, H, J, L and M.
func (t Timers) long() time.Duration { return 64 * t.T1 }

// trying is when an INVITE that nobody answers gets its 100 (RFC 3261 section 17.2.1).
const trying = 200 * time.Millisecond

// late is when a client repeats a request only each T2: then, and not before, is it told 100 (RFC 4320 section 4.1).
func (t Timers) late() time.Duration {
	var sum time.Duration
	for e := t.T1; e < t.T2; e *= 2 {
		sum += e
	}
	return sum
}

// Option changes a Layer that is made.
type Option func(*Layer)

// Limit bounds the transactions that run and those that are over and remembered, of the node as a whole. A
// request over the first is refused with 503; over the second the oldest is forgotten early.
func Limit(running, ended int) Option {
	return func(l *Layer) { l.running, l.ended = running, ended }
}

// Product is what the layer's own responses say in Server.
func Product(name string) Option { return func(l *Layer) { l.product = name } }

// RetryAfter is the seconds that a request which is refused for want of room is told to wait.
const RetryAfter = "10"

// Layer is the transactions of a node.
type Layer struct {
	sender   Sender
	group    *shard.Group
	core     Core
	timers   Timers
	product  string
	running  int
	ended    int
	tables   []*table // by shard
	machines machines
}

// New makes a layer. core may use it as soon as Receive is called.
func New(sender Sender, group *shard.Group, core Core, timers Timers, options ...Option) *Layer {
	l := &Layer{sender: sender, group: group, core: core, timers: timers.orRFC(), running: 100_000, ended: 400_000, machines: newMachines()}
	for _, o := range options {
		o(l)
	}
	for _, s := range group.All() {
		l.tables = append(l.tables, newTable(l, s))
	}
	return l
}

// Receive takes a message that arrived. It must be called on the shard of its Call-ID.
func (l *Layer) Receive(src loop.Source, m *message.Message) {
	t := l.tables[l.group.Of(m.CallID()).Index()]
	if m.IsRequest() {
		t.request(src, m)
	} else {
		t.response(src, m)
	}
}

// Pass sends a request without a transaction, under a Via of its own: the ACK of a 2xx (RFC 3261 section
// 13.2.2.4). The message is changed. Where there is no way there nobody is told: the 2xx will come again.
func (l *Layer) Pass(m *message.Message, h transport.Hop) {
	if l.pushVia(m, h) == nil {
		l.sender.Send(h, m.Append(nil), nil)
	}
}

// Refuse answers a request without a transaction (RFC 3261 section 8.2.7). It may be called on any goroutine.
func (l *Layer) Refuse(src loop.Source, req *message.Message, status int, change ...func(*message.Message)) {
	m := message.NewResponse(req, status, "")
	if m.To().Tag() == "" && status > 100 {
		m.SetTo(m.To().WithTag(message.NewTag()))
	}
	l.sign(m)
	for _, f := range change {
		f(m)
	}
	l.sender.Send(transport.AnswerHop(src, req.Via()), m.Append(nil), nil)
}

func (l *Layer) sign(m *message.Message) {
	if l.product != "" {
		m.Set("Server", l.product)
	}
}

// pushVia puts our Via on a request (RFC 3261 section 18.1.1, RFC 3581 section 3).
func (l *Layer) pushVia(m *message.Message, h transport.Hop, marks ...message.Param) error {
	at, err := l.sender.Local(h)
	if err != nil {
		return err
	}
	m.PushVia(message.Via{
		Transport: viaTransport(h.Transport), Host: at.Addr().String(), Port: at.Port(),
		Params: append(message.Params{{Name: "branch", Value: message.NewBranch()}, {Name: "rport"}}, marks...),
	})
	return nil
}

func viaTransport(t loop.Transport) string {
	switch t {
	case loop.TCP:
		return "TCP"
	case loop.TLS:
		return "TLS"
	default:
		return "UDP"
	}
}

func reliable(h transport.Hop) bool { return h.Transport != loop.UDP }
