package clustertest

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// long has each role paused for 20 s, and lines broken in every way: make soak says so.
var long = flag.Bool("long", false, "break clusters in more ways, and for longer")

// countsApart is the alarm while two sides may count for themselves.
const countsApart = 29001

// LI-06, BW-05, CL-18: what is shared when peers are cut off, paused or killed. With policy available each side
// stays within what there is; back together nothing is given until it fits again, and nobody loses what he has.
func TestSharedInTrouble(t *testing.T) {
	t.Parallel()
	const number = 6
	c := newSharing(t, number, number)
	th := rooms(number)
	for _, p := range partitions() {
		if *long || p.short {
			c.part("Apart/"+p.name, func(t *testing.T, c *crowd) { apart(t, c, th, p) })
		}
	}
	for _, p := range partitions() {
		if *long {
			c.part("Load/"+p.name, func(t *testing.T, c *crowd) { sidesUnderLoad(t, c, []thing{th, lanes(number)}, p, func() {}) })
		}
		if *long && p.short { // they take more than two minutes each
			c.part("Apart/lanes/"+p.name, func(t *testing.T, c *crowd) { apart(t, c, lanes(number), p) })
		}
	}
	for _, role := range roles() {
		c.part("Paused/"+role, func(t *testing.T, c *crowd) { paused(t, c, th, role) })
		if *long {
			c.part("Paused/lanes/"+role, func(t *testing.T, c *crowd) { pausedKeeps(t, c, lanes(number), role) })
		}
	}
	c.part("Restarted", func(t *testing.T, c *crowd) { restarted(t, c, th) })
	if *long {
		c.part("Killed", func(t *testing.T, c *crowd) { killed(t, c, lanes(number)) })
	}
	c.part("Paused/waiting", func(t *testing.T, c *crowd) { pausedWaiting(t, c, th) })
	c.part("Strict", func(t *testing.T, c *crowd) { strictly(t, c, []thing{th, lanes(number)}) })
}

// partition is a way to break a cluster into two sides, and to mend it.
type partition struct {
	name       string
	short      bool // it is tried always
	strict     bool // and with policy strict
	one, other []int
	set        func(c *crowd, p partition, cut bool) error
}

func bothWays(c *crowd, p partition, cut bool) error {
	c.Part(cut, p.one, p.other)
	return nil
}

func partitions() []partition {
	oneWay := func(c *crowd, p partition, cut bool) error {
		for _, from := range p.one {
			for _, to := range p.other {
				c.Star.Switch.Cut(from, to, cut)
			}
		}
		return nil
	}
	rule := func(verdict string) func(*crowd, partition, bool) error {
		return func(c *crowd, p partition, cut bool) error {
			if !cut {
				return c.Nodes[p.other[0]].Filter()
			}
			return c.Nodes[p.other[0]].Filter("input ip protocol tcp ip saddr != 127.0.0.1 " + verdict)
		}
	}
	three, last := []int{0, 1, 2}, []int{3}
	return []partition{
		{"Halves", true, true, []int{0, 1}, []int{2, 3}, bothWays},
		{"Reset", true, false, three, last, rule("reject with tcp reset")},
		{"Drop", false, false, three, last, rule("drop")},
		{"OneWay", false, false, three, last, oneWay},
		{"OneLeads", false, false, []int{1, 2, 3}, []int{0}, bothWays},
	}
}

// takesWithin takes one at a node, however often it has to ask for that time.
func (c *crowd) takesWithin(d time.Duration, th thing, node int) *held {
	c.t.Helper()
	var one *held
	c.within(d, fmt.Sprintf("one of the %s through tp%d", th.name, node+1), func() (err error) {
		one, err = th.take(c.t.Context(), c, node)
		return err
	})
	return one
}

// takeAll takes all there is through nodes in turn, as soon as it is there.
func (c *crowd) takeAll(th thing, nodes []int) (all []*held) {
	c.t.Helper()
	for i := range th.total {
		all = append(all, c.takesWithin(20*time.Second, th, nodes[i%len(nodes)]))
	}
	return all
}

// apart breaks a cluster in two, each of which uses all there is, and heals it.
func apart(t *testing.T, c *crowd, th thing, p partition) {
	everybody := []int{0, 1, 2, 3}
	used := [2][]*held{c.fill(th, p.one[0], th.total/2), c.fill(th, p.other[0], th.total/2)}
	must(t, p.set(c, p, true))
	begin := time.Now()
	var sides sync.WaitGroup
	for k, side := range [][]int{p.one, p.other} {
		sides.Go(func() {
			node := side[len(side)-1]
			more := []*held{c.takesWithin(30*time.Second+th.hold, th, node)}
			alone := time.Since(begin).Round(time.Millisecond)
			t.Logf("the side of tp%d went on alone with %s after %v", node+1, th.name, alone)
			if alone < th.hold {
				t.Errorf("tp%d gives away after %v what the others may use for %v", node+1, alone, th.hold)
			}
			if th.hold == 0 {
				more = append(more, c.fill(th, node, th.total-th.total/2-1)...)
			}
			for len(more) < th.total-th.total/2 { // each peer's is held from when it was lost
				more = append(more, c.takesWithin(10*time.Second, th, node))
			}
			c.none(th, side...)
			used[k] = append(used[k], more...)
		})
	}
	sides.Wait()
	if t.Failed() {
		t.FailNow()
	}
	c.stands(10*time.Second, countsApart, everybody...)

	must(t, p.set(c, p, false))
	begin = time.Now()
	c.uses(30*time.Second, th, 2*th.total, everybody...)
	c.quietOf(15*time.Second, countsApart, everybody...)
	t.Logf("one again after %v", time.Since(begin).Round(time.Millisecond))
	c.none(th, everybody...)
	c.giveAll(used[0])
	c.noIdle(5*time.Second, th) // what is given back goes first to those beyond what there is
	c.none(th, everybody...)
	must(t, used[1][0].give(t.Context()))
	c.giveAll(append(used[1][1:], c.takesWithin(5*time.Second, th, p.one[0])))
	c.uses(10*time.Second, th, 0, everybody...)
}

// noIdle waits until nobody has any of something that he does not use.
func (c *crowd) noIdle(d time.Duration, th thing) {
	c.t.Helper()
	for i := range c.Nodes {
		c.within(d, "no idle ceilings", func() error {
			s, err := th.share(c, i)
			if err == nil && s.Cluster.Granted != s.Cluster.Used {
				err = fmt.Errorf("%+v", s)
			}
			return err
		})
	}
}

// quietOf waits until an alarm stands on none of nodes.
func (c *crowd) quietOf(d time.Duration, number int, nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.within(d, fmt.Sprintf("no alarm %d on tp%d", number, i+1), func() error { return c.alarm(i, number, false) })
	}
}

// leader is the node that leads the agreement.
func (c *crowd) leader() (found int) {
	c.t.Helper()
	c.within(15*time.Second, "somebody leads", func() error {
		for i, n := range c.Nodes {
			if db, err := n.API.Database(c.t.Context()); err == nil && db.Leads {
				found = i
				return nil
			}
		}
		return errors.New("nobody does")
	})
	return found
}

// others are the nodes but one.
func (c *crowd) others(than int) []int {
	return slices.DeleteFunc([]int{0, 1, 2, 3}, func(i int) bool { return i == than })
}

// roles are whose processes are stopped.
func roles() []string {
	if *long {
		return []string{"leader", "holder"}
	}
	return []string{"leader"}
}

// of is a node that has a role.
func (c *crowd) of(role string) int {
	c.t.Helper()
	node := c.leader()
	if role == "holder" {
		node = (node + 1) % len(c.Nodes)
	}
	return node
}

// pauseTime is how long a process stands still: longer than it takes to free what it has.
func pauseTime() time.Duration {
	if *long {
		return 20 * time.Second
	}
	return 9 * time.Second
}

// paused stops a process that leads, or only holds some, for so long that the others go on with its share. What it was asked meanwhile it
// must not grant when it goes on.
func paused(t *testing.T, c *crowd, th thing, role string) {
	node := c.of(role)
	rest := c.others(node)
	used := c.fill(th, node, th.total/2)
	must(t, c.Nodes[node].Signal(unix.SIGSTOP))
	end := time.After(pauseTime())
	asked := make(chan error, th.total)
	for range th.total {
		go func() {
			_, err := th.take(t.Context(), c, node)
			asked <- err
		}()
	}
	more := c.takeAll(th, rest)
	c.none(th, rest...)
	<-end
	must(t, c.Nodes[node].Signal(unix.SIGCONT))
	for range th.total {
		if err := <-asked; err == nil {
			t.Errorf("tp%d gives away what others use", node+1)
		}
	}
	c.whole(20*time.Second, 0, 1, 2, 3)
	c.uses(20*time.Second, th, th.total+th.total/2, 0, 1, 2, 3)
	c.none(th, 0, 1, 2, 3)
	c.giveAll(append(used, more...))
	c.giveAll([]*held{c.takesWithin(5*time.Second, th, node)})
	c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
}

// pausedWaiting stops a process while somebody waits there for one of another peer.
func pausedWaiting(t *testing.T, c *crowd, th thing) {
	node := (c.leader() + 1) % len(c.Nodes)
	rest := c.others(node)
	all := c.fill(th, rest[0], th.total)
	asked := make(chan error, 1)
	var late *held
	go func() {
		var err error
		late, err = th.take(t.Context(), c, node)
		asked <- err
	}()
	pause(t, 200*time.Millisecond) // it waits
	must(t, c.Nodes[node].Signal(unix.SIGSTOP))
	end := time.After(pauseTime())
	must(t, all[0].give(t.Context()))
	all[0] = c.takesWithin(20*time.Second, th, rest[1]) // what nobody waits for any more
	<-end
	must(t, c.Nodes[node].Signal(unix.SIGCONT))
	if err := <-asked; err == nil {
		t.Error("it was given what others use")
		all = append(all, late)
	}
	c.whole(20*time.Second, 0, 1, 2, 3)
	c.none(th, 0, 1, 2, 3)
	c.giveAll(all)
	c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
}
