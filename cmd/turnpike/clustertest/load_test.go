package clustertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load takes and gives back at nodes, some clients at each, until it is stopped.
type load struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	kept []*held // when it was stopped
}

// begin starts clients at nodes. A client that has one keeps it for a while, and longer than that when it is told to
// stop.
func (c *crowd) begin(th thing, clients int, nodes ...int) *load {
	ctx, stop := context.WithCancel(c.t.Context())
	l := &load{stop: stop}
	c.t.Cleanup(func() { l.end() }) // of a test that fails before it ends it
	for _, node := range nodes {
		for k := range clients {
			l.done.Go(func() { l.client(ctx, c, th, node, k) })
		}
	}
	return l
}

func (l *load) client(ctx context.Context, c *crowd, th thing, node, client int) {
	whole := c.t.Context()
	for ctx.Err() == nil {
		one, err := th.take(whole, c, node)
		if err != nil {
			pause(c.t, 50*time.Millisecond) // as phones do, if faster
			continue
		}
		select {
		case <-time.After(time.Duration(100+(2*node+client)%7*40) * time.Millisecond):
			if err := one.give(whole); err != nil && whole.Err() == nil {
				c.t.Errorf("give back one of the %s: %v", th.name, err)
			}
		case <-ctx.Done():
			l.mu.Lock()
			l.kept = append(l.kept, one)
			l.mu.Unlock()
		}
	}
}

// end stops the clients and returns what they have. It may be called again.
func (l *load) end() []*held {
	l.stop()
	l.done.Wait()
	return l.kept
}

// A load ends with its test, also where that has failed and nobody ends it; what its clients are told then is no failure.
func TestLoadEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var over atomic.Bool
	t.Run("nobody ends it", func(t *testing.T) {
		gives := make(chan struct{})
		give := func(ctx context.Context) error {
			close(gives)
			<-ctx.Done()
			time.Sleep(10 * time.Millisecond) // what is under way when a test ends takes its time
			over.Store(true)
			return ctx.Err()
		}
		c := &crowd{rig: &rig{t: t}}
		c.begin(thing{take: func(context.Context, *crowd, int) (*held, error) { return &held{give: give}, nil }}, 1, 0)
		<-gives
	})
	if !over.Load() {
		t.Error("a client goes on after the test")
	}
}

// noted is a thing of which a history says what was asked.
func noted(th thing, h *history) thing {
	take := th.take
	th.take = func(ctx context.Context, c *crowd, node int) (one *held, err error) {
		if h.ask(node, taking{n: 1}, func() string { one, err = take(ctx, c, node); return outcome(err) }) != taken {
			return nil, err
		}
		give := one.give
		return &held{node, func(ctx context.Context) (err error) {
			h.ask(node, taking{n: 1, back: true}, func() string { err = give(ctx); return outcome(err) })
			return err
		}}, nil
	}
	return th
}

// underLoad is a thing that is taken and given back, what is in use of it, and what came before.
type underLoad struct {
	thing   thing
	history *history
	load    *load
	used    []*held
}

// underLoad begins to take things and to give them back at all nodes.
func (c *crowd) underLoad(things []thing) (all []*underLoad) {
	for _, th := range things {
		all = append(all, c.loads(th, 2, 0, 1, 2, 3))
	}
	return all
}

// loads begins that with one thing and so many clients at each of nodes.
func (c *crowd) loads(th thing, clients int, nodes ...int) *underLoad {
	h := newHistory()
	u := &underLoad{thing: noted(th, h), history: h}
	u.load = c.begin(u.thing, clients, nodes...)
	return u
}

// each does something with each of some, together.
func each(t *testing.T, all []*underLoad, do func(u *underLoad)) {
	t.Helper()
	var doing sync.WaitGroup
	for _, u := range all {
		doing.Go(func() { do(u) })
	}
	doing.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// goesOn takes all there is together with what is in use, gives it back and takes it through one node.
func (u *underLoad) goesOn(c *crowd, node int) {
	for len(u.used) < u.thing.total { // what was idle in parts
		u.used = append(u.used, c.takesWithin(10*time.Second, u.thing, node))
	}
	c.none(u.thing, 0, 1, 2, 3)
	c.giveAll(u.used)
	c.giveAll(c.takeAll(u.thing, []int{node}))
	c.uses(10*time.Second, u.thing, 0, 0, 1, 2, 3)
}
