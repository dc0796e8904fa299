package clustertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// restarted ends a process that holds some, and keeps them for the next. The others go on with them; it comes back with what it had,
// and nothing is given before that fits.
func restarted(t *testing.T, c *crowd, th thing) {
	node := (c.leader() + 1) % len(c.Nodes)
	rest := c.others(node)
	used := c.fill(th, node, th.total/2)
	must(t, c.Nodes[node].End(unix.SIGTERM))
	begin := time.Now()
	more := c.takeAll(th, rest)
	t.Logf("the others had what tp%d had after %v", node+1, time.Since(begin).Round(time.Millisecond))
	c.none(th, rest...)
	must(t, c.Nodes[node].Start(t.Context()))
	c.givesNothing(10*time.Second, th, node)
	c.whole(20*time.Second, 0, 1, 2, 3)
	if all, err := c.Nodes[node].API.Registrations(t.Context(), ""); err != nil || len(all) != len(used) {
		t.Errorf("tp%d kept %d of %d registrations: %v", node+1, len(all), len(used), err)
	}
	c.uses(20*time.Second, th, th.total+th.total/2, 0, 1, 2, 3)
	c.giveAll(append(used, more...))
	c.giveAll([]*held{c.takesWithin(5*time.Second, th, node)})
	c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
}

// givesNothing asks one node for more the whole time.
func (c *crowd) givesNothing(d time.Duration, th thing, node int) {
	c.t.Helper()
	c.givesAtMost(d, th, node, 0)
}

// givesAtMost asks one node for more the whole time, and returns what it gave.
func (c *crowd) givesAtMost(d time.Duration, th thing, node, most int) (all []*held) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		one, err := th.take(c.t.Context(), c, node)
		if err == nil {
			all = append(all, one)
		} else if !errors.Is(err, clusterlab.ErrRefused) {
			c.t.Fatalf("ask tp%d: %v", node+1, err)
		}
		if len(all) > most {
			c.t.Fatalf("tp%d gives away what others use: %d, where there are %d at most", node+1, len(all), most)
		}
	}
	return all
}

// killed kills a process with calls. Their media may go on without it: nobody has its bandwidth meanwhile, and the next process counts them
// until nobody has come for them.
func killed(t *testing.T, c *crowd, th thing) {
	node := (c.leader() + 1) % len(c.Nodes)
	rest := c.others(node)
	c.fill(th, node, th.total/2)
	c.keeps(3*time.Second, node)
	must(t, c.Nodes[node].End(unix.SIGKILL))
	more := c.givesAtMost(8*time.Second, th, rest[0], th.total-th.total/2) // less, where some that is idle died with it
	c.none(th, rest...)
	must(t, c.Nodes[node].Start(t.Context()))
	begin := time.Now()
	more = append(more, c.givesAtMost(10*time.Second, th, node, th.total-th.total/2-len(more))...) // what died with it and was idle
	c.whole(20*time.Second, 0, 1, 2, 3)
	if all, err := c.Nodes[node].API.Registrations(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("of phones that have left, tp%d has %d again: %v", node+1, len(all), err)
	}
	c.none(th, 0, 1, 2, 3)
	var back []*held
	for range th.total - len(more) {
		back = append(back, c.takesWithin(time.Minute, th, rest[1]))
	}
	t.Logf("what the killed calls had was there again %v after the start", time.Since(begin).Round(time.Second))
	c.none(th, 0, 1, 2, 3)
	c.giveAll(append(back, more...))
}
