package clustertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// thing is what peers share, of which one is taken and given back at a time, at any node.
type thing struct {
	name  string
	total int
	take  func(ctx context.Context, c *crowd, node int) (*held, error)
}

// held is one that was taken.
type held struct {
	node int
	give func(ctx context.Context) error
}

// rooms are licences of room systems: registrations take them. Each is of another phone.
func rooms(total int) thing {
	var phone atomic.Int64
	phone.Store(20_000)
	return thing{"room licences", total, func(ctx context.Context, c *crowd, node int) (*held, error) {
		n := int(phone.Add(1))
		if err := c.phones.Register(ctx, c.at(node), n, time.Hour); err != nil {
			return nil, err
		}
		return &held{node, func(ctx context.Context) error { return c.phones.Register(ctx, c.at(node), n, 0) }}, nil
	}}
}

// laneKbps is what each call asks for on the pipe.
const laneKbps = 100

// lanes are the parts of a pipe that calls take.
func lanes(total int) thing {
	return thing{"lanes of a pipe", total, func(ctx context.Context, c *crowd, node int) (*held, error) {
		call, err := c.sites.Call(ctx, c.at(node), clusterlab.Wanted{Kbps: laneKbps})
		if err != nil {
			return nil, err
		}
		return &held{node, call.End}, nil
	}}
}

// outcome is how a request went.
func outcome(err error) string {
	switch {
	case err == nil:
		return taken
	case errors.Is(err, clusterlab.ErrRefused):
		return refused
	}
	return unknown
}

// fill takes so many through a node, all at once: nobody is refused while another peer has idle ones.
func (c *crowd) fill(th thing, node, number int) []*held {
	c.t.Helper()
	out := make([]*held, number)
	begin := time.Now()
	c.all(number, func(i int) (err error) {
		out[i], err = th.take(c.t.Context(), c, node)
		return err
	})
	if c.t.Failed() {
		c.t.FailNow()
	}
	c.t.Logf("%d %s through tp%d within %v", number, th.name, node+1, time.Since(begin).Round(time.Millisecond))
	return out
}

// giveAll gives back what was taken.
func (c *crowd) giveAll(all []*held) {
	c.t.Helper()
	c.all(len(all), func(i int) error { return all[i].give(c.t.Context()) })
}

// none tries at nodes to take one more, which must be refused. It returns when that word is old: who asks then waits for
// the peers again.
func (c *crowd) none(th thing, nodes ...int) {
	c.t.Helper()
	var wg sync.WaitGroup
	for _, i := range nodes {
		wg.Go(func() {
			if _, err := th.take(c.t.Context(), c, i); !errors.Is(err, clusterlab.ErrRefused) {
				c.t.Errorf("one more of %s through tp%d: %v", th.name, i+1, err)
			}
		})
	}
	wg.Wait()
	pause(c.t, oldWord)
}

// load takes and gives back at nodes, some clients at each, until it is stopped.
type load struct {
	*history
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	kept []*held // when it was stopped
}

// begin starts clients at nodes. A client that has one keeps it for a while, and longer than that when it is told to
// stop.
func (c *crowd) begin(th thing, clients int, nodes ...int) *load {
	ctx, stop := context.WithCancel(c.t.Context())
	l := &load{history: newHistory(), stop: stop}
	for _, node := range nodes {
		for k := range clients {
			l.done.Go(func() { l.client(ctx, c, th, node, 100*node+k) })
		}
	}
	return l
}

func (l *load) client(ctx context.Context, c *crowd, th thing, node, client int) {
	whole := c.t.Context()
	for ctx.Err() == nil {
		var one *held
		got := l.ask(client, taking{n: 1}, func() string {
			var err error
			one, err = th.take(whole, c, node)
			return outcome(err)
		})
		if got != taken {
			pause(c.t, 50*time.Millisecond) // as phones do, if faster
			continue
		}
		select {
		case <-time.After(time.Duration(100+client%7*40) * time.Millisecond):
			l.ask(client, taking{n: 1, back: true}, func() string { return outcome(one.give(whole)) })
		case <-ctx.Done():
			l.mu.Lock()
			l.kept = append(l.kept, one)
			l.mu.Unlock()
		}
	}
}

// end stops the clients and returns what they have.
func (l *load) end() []*held {
	l.stop()
	l.done.Wait()
	return l.kept
}

// aPipe is what node files say of a pipe of so many lanes, where nobody is given less than asked for.
func aPipe(lanes int) string { return fmt.Sprintf("{mode: limited, kbps: %d}", lanes*laneKbps) }

const noDownspeed = "bandwidth: {downspeed_per_call: off, downspeed_total: off}\n"

// passedOn takes all through each node in turn; what one gives back another gets, at its first try (BW-04, LI-02).
func passedOn(t *testing.T, c *crowd, th thing) {
	for i := range c.Nodes {
		next := (i + 1) % len(c.Nodes)
		all := c.fill(th, i, th.total)
		c.none(th, 0, 1, 2, 3)
		must(t, all[0].give(t.Context()))
		begin := time.Now()
		one, err := th.take(t.Context(), c, next)
		if err != nil {
			t.Errorf("what tp%d gave back is not there for tp%d: %v", i+1, next+1, err)
			c.giveAll(all[1:])
			continue
		}
		t.Logf("tp%d had what tp%d gave back after %v", next+1, i+1, time.Since(begin).Round(time.Millisecond))
		c.none(th, 0, 1, 2, 3)
		c.giveAll(append(all[1:], one))
	}
}

// linear has clients come and go at all nodes, more of them than there is, and looks whether one counter could have
// answered so (LI-06, BW-05).
func linear(t *testing.T, c *crowd, th thing) {
	l := c.begin(th, 3, 0, 1, 2, 3)
	pause(t, 10*time.Second)
	kept := l.end()
	c.giveAll(kept)
	l.holds(t, th.total)
}
