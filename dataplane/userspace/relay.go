// Package userspace relays flows inside the process: the same thing to the same
// packets as the XDP program, for what the kernel does not carry. It exists because
// native XDP is not everywhere (a driver without it, missing rights), because
// fragments and other odd packets are left to the process on purpose, and because
// everything that is not media arrives at a socket anyway.
//
// It must stay cheap with thousands of relays. So sockets are plain non-blocking
// descriptors on a few epoll loops: no goroutine and no buffer belong to a socket,
// and a datagram is received, rewritten in place and sent without an allocation.
//
// # Who may wait for whom
//
// A loop is either inside the flow table or outside it. It is inside from the first
// datagram it looks up to the moment the last one is sent, and steps outside to call
// a handler. Remove and Replace take the flow out of the table and then wait until
// every loop was outside once (loop.settle): no lock is held meanwhile, so a handler
// may call them. A Sink is called inside: it must not call Remove or Replace, nor
// wait for a lock whose holder does.
//
// The locks, in the order in which they are taken: Relay.mu, port.mu, groups.mu, flow.mu. None
// is held while a handler or a sink runs, except socket.handling, which only Close
// waits for.
//
// It runs on 64-bit Linux.
package userspace

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

var (
	_ relay.Process = (*Relay)(nil)
	_ relay.Sockets = (*Relay)(nil)
)

// maxFlows is what the kernel's table holds too.
const maxFlows = 65536

// Config is what a Relay needs to know. Its zero value is good.
type Config struct {
	// Loops is how many threads relay. 0: two, or one on a machine with one CPU.
	Loops int
	// MaxFlows bounds the table. 0: 65536, as in the kernel.
	MaxFlows int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Pressed is called by a loop that cannot keep up with what comes to a listening
	// port, maybe very often. nil: nobody is told.
	Pressed func()
}

// Relay is the process's back end and owner of its UDP sockets.
type Relay struct {
	now      func() time.Time
	epoch    epoch
	maxFlows int
	loops    []*loop
	streams  streams
	groups   groups

	mu     sync.Mutex
	closed bool
	ports  map[netip.AddrPort]*port
	flows  []*flow // by relay.FlowID
	lowest int     // no free FlowID lies below it
}

// New starts the loops.
func New(cfg Config) (*Relay, error) {
	r, err := build(cfg)
	for _, l := range r.loops {
		go l.run()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start relay loop: %w", err), r.Close())
	}
	return r, nil
}

// build makes a relay whose loops do not run yet.
func build(cfg Config) (*Relay, error) {
	r := &Relay{
		now:      cfg.Now,
		maxFlows: cfg.MaxFlows,
		ports:    make(map[netip.AddrPort]*port),
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.maxFlows == 0 {
		r.maxFlows = maxFlows
	}
	var err error
	if r.epoch, err = newEpoch(r.now()); err != nil {
		return r, err
	}
	n := cfg.Loops
	if n == 0 {
		n = min(2, runtime.NumCPU())
	}
	for range n {
		l, err := newLoop(r.clock)
		if err != nil {
			return r, err
		}
		l.pressed = cfg.Pressed
		r.loops = append(r.loops, l)
	}
	return r, nil
}

// Close ends the loops and closes the sockets that are still open. Flows and gate
// stay as they are, so that their counters can still be read.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	open := r.openSockets()
	r.mu.Unlock()

	var errs []error
	for _, s := range open {
		errs = append(errs, s.Close())
	}
	for _, l := range r.loops {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

func (r *Relay) openSockets() []*socket {
	var open []*socket
	for _, p := range r.ports {
		if s := p.sock.Load(); s != nil {
			open = append(open, s)
		}
	}
	return open
}

// Reasons counts the datagrams by the reason they left the relay.
func (r *Relay) Reasons() [bpf.ReasonCount]uint64 {
	sum := r.streams.reasons.read()
	for _, l := range r.loops {
		for i, n := range l.reasons.read() {
			sum[i] += n
		}
	}
	return sum
}

// clock is the time inside the relay.
func (r *Relay) clock() int64 { return r.epoch.ticks(r.now()) }
