// Package shard runs what belongs to a call on one goroutine, so that a call needs no locks.
//
// Signalling arrives on several loops, timers fire, DNS answers and media falls silent, all at
// the same time, and each of them changes the same dialogs. Here a call's key picks a shard; whatever
// concerns the call is posted to it and runs there, one after the other, with the call's timers in
// between. A mailbox is bounded: who cannot post refuses what came, instead of answering it late. A panic
// ends the function it happened in, not the node.
package shard

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Mailbox is how many functions may wait for a shard: messages of about half a second, after which clients send theirs again.
const Mailbox = 4096

// between is how many functions run before timers are looked at again.
const between = 64

// Group is the shards of a node.
type Group struct {
	shards   []*Shard
	seed     maphash.Seed
	mailbox  int
	panicked func(reason any)
}

// Option changes a Group that is made.
type Option func(*Group)

// Panicked has tell called, on the shard, with what a function panicked with. The stack is still there.
func Panicked(tell func(reason any)) Option { return func(g *Group) { g.panicked = tell } }

// Room sets how many functions may wait for a shard.
func Room(functions int) Option { return func(g *Group) { g.mailbox = functions } }

// NewGroup makes n shards. What is posted before Run waits for it.
func NewGroup(n int, options ...Option) *Group {
	g := &Group{seed: maphash.MakeSeed(), mailbox: Mailbox, panicked: func(any) {}}
	for _, o := range options {
		o(g)
	}
	for i := range max(n, 1) {
		g.shards = append(g.shards, newShard(g, i))
	}
	return g
}

// Run works until ctx ends. What waits then is left undone.
func (g *Group) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, s := range g.shards {
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
	return nil
}

// Of returns the shard that owns a key. Nobody outside can tell which keys share one.
func (g *Group) Of(key string) *Shard {
	return g.shards[maphash.String(g.seed, key)%uint64(len(g.shards))]
}

// All returns every shard.
func (g *Group) All() []*Shard { return g.shards }

// Shard is one goroutine with a mailbox and timers.
type Shard struct {
	group *Group
	index int
	wheel wheel

	mu    sync.Mutex
	inbox []func()
	ended bool
	wake  chan struct{}

	ran, refused, panics atomic.Uint64
}

func newShard(g *Group, index int) *Shard {
	return &Shard{group: g, index: index, wheel: newWheel(time.Now()), wake: make(chan struct{}, 1)}
}

// Index numbers the shard in its group.
func (s *Shard) Index() int { return s.index }

// Post has f run on the shard, after what was posted before. It may be called from any goroutine and
// does not block; false: the mailbox is full or the shard has ended, and f will not run.
func (s *Shard) Post(f func()) bool { return s.post(f, s.group.mailbox) }

// Offer is Post for what comes from the wire: it is refused while a part of the mailbox is still free, so
// that results of the node's own work find room.
func (s *Shard) Offer(f func()) bool { return s.post(f, s.group.mailbox/4*3) }

func (s *Shard) post(f func(), room int) bool {
	s.mu.Lock()
	if s.ended || len(s.inbox) >= room {
		s.mu.Unlock()
		s.refused.Add(1)
		return false
	}
	s.inbox = append(s.inbox, f)
	first := len(s.inbox) == 1
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return true
}

// Now is the time. On the shard only.
func (s *Shard) Now() time.Time { return time.Now() }

// After runs f on the shard when d has passed, up to 10 ms later. On the shard only; f may be stopped.
func (s *Shard) After(d time.Duration, f func()) *Timer {
	t := &Timer{shard: s, f: f}
	s.wheel.add(t, s.Now().Add(d))
	return t
}

// Stats counts since the start; Waiting and Timers are of the moment.
type Stats struct {
	Ran, Refused, Panics uint64
	Waiting, Timers      int
}

// Stats returns the counters. It may be called from any goroutine.
func (s *Shard) Stats() Stats {
	s.mu.Lock()
	waiting := len(s.inbox)
	s.mu.Unlock()
	return Stats{
		Ran: s.ran.Load(), Refused: s.refused.Load(), Panics: s.panics.Load(),
		Waiting: waiting, Timers: int(s.wheel.count.Load()),
	}
}

// Stats sums the counters of all shards.
func (g *Group) Stats() Stats {
	var sum Stats
	for _, s := range g.shards {
		one := s.Stats()
		sum.Ran += one.Ran
		sum.Refused += one.Refused
		sum.Panics += one.Panics
		sum.Waiting += one.Waiting
		sum.Timers += one.Timers
	}
	return sum
}

func (s *Shard) run(ctx context.Context) {
	defer s.end()
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var spare []func()
	for ctx.Err() == nil {
		spare = s.work(ctx, spare)
		s.expire()
		if next, ok := s.wheel.next(); ok {
			alarm.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-alarm.C:
		}
	}
}

// work runs what has been posted, and returns the memory of the list for the next time.
func (s *Shard) work(ctx context.Context, spare []func()) []func() {
	s.mu.Lock()
	list := s.inbox
	s.inbox = spare[:0]
	s.mu.Unlock()
	for i, f := range list {
		if ctx.Err() != nil {
			break
		}
		if i%between == between-1 {
			s.expire()
		}
		s.call(f)
	}
	clear(list)
	if cap(list) > 1024 {
		return nil // a burst is no reason to keep its memory
	}
	return list
}

func (s *Shard) expire() {
	for t := s.wheel.due(time.Now()); t != nil; t = s.wheel.due(time.Now()) {
		s.call(t.f)
	}
}

// call runs one function, which may panic.
func (s *Shard) call(f func()) {
	defer func() {
		if reason := recover(); reason != nil {
			s.panics.Add(1)
			s.group.panicked(reason)
		}
	}()
	s.ran.Add(1)
	f()
}

func (s *Shard) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.inbox = true, nil
}
