package clustertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// thing is what peers share, of which one is taken and given back at a time, at any node.
type thing struct {
	name  string
	total int
	// hold is how long a lost peer's share stays its own by policy available, beside its lease.
	hold  time.Duration
	take  func(ctx context.Context, c *crowd, node int) (*held, error)
	share func(c *crowd, node int) (sharing.Share, error)
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
	take := func(ctx context.Context, c *crowd, node int) (*held, error) {
		n := int(phone.Add(1))
		if err := c.phones.Register(ctx, c.at(node), n, time.Hour); err != nil {
			return nil, err
		}
		return &held{node, func(ctx context.Context) error { return c.phones.Register(ctx, c.at(node), n, 0) }}, nil
	}
	share := func(c *crowd, node int) (sharing.Share, error) {
		u, err := c.licences(node, "room")
		return u.Share, err
	}
	return thing{name: "room licences", total: total, take: take, share: share}
}

// laneKbps is what each call asks for on the pipe.
const laneKbps = 100

// lanes are the parts of a pipe that calls take. Media of a lost peer's calls may go on for two minutes.
func lanes(total int) thing {
	take := func(ctx context.Context, c *crowd, node int) (*held, error) {
		call, err := c.sites.Call(ctx, c.at(node), clusterlab.Wanted{Kbps: laneKbps})
		if err != nil {
			return nil, err
		}
		return &held{node, call.End}, nil
	}
	share := func(c *crowd, node int) (sharing.Share, error) {
		r, err := c.Nodes[node].API.Bandwidth(c.t.Context(), "pipe")
		for _, o := range r.Objects {
			if o.Share != nil {
				return o.In(laneKbps), err
			}
		}
		return sharing.Share{}, err
	}
	return thing{name: "lanes of a pipe", total: total, hold: 2 * time.Minute, take: take, share: share}
}

// uses waits until nodes say that there is as much as there is, and that so much of it is in use.
func (c *crowd) uses(d time.Duration, th thing, used int, nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.within(d, fmt.Sprintf("tp%d knows of %d %s of which %d are in use", i+1, th.total, th.name, used), func() error {
			s, err := th.share(c, i)
			if err == nil && (s.Cluster.Total != float64(th.total) || s.Cluster.Used != float64(used)) {
				err = fmt.Errorf("%+v", s)
			}
			return err
		})
	}
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
		for i, n := range c.Nodes { // a process that stands still says nothing
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			l, err := n.API.DatabaseLedger(ctx)
			cancel()
			c.t.Logf("the ledger of tp%d: %+v %v", i+1, l, err)
		}
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

// loadTime is how long clients come and go.
func loadTime() time.Duration {
	if *long {
		return time.Minute
	}
	return 10 * time.Second
}

// linear has clients come and go at all nodes, more of them than there is, and looks whether one counter could have
// answered so (LI-06, BW-05).
func linear(t *testing.T, c *crowd, th thing) {
	h := newHistory()
	th = noted(th, h)
	l := c.begin(th, 3, 0, 1, 2, 3)
	pause(t, loadTime())
	c.giveAll(l.end())
	h.holds(t, th.total)
}
