package clustertest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/sharing"
)

// Alarms of policy strict.
const (
	keepsShare = 29002 // a lost peer's share stays reserved for it
	noGrowth   = 29003 // nobody can be given more
)

// strictly is LI-06, BW-05 with policy strict: whatever is cut, paused or ended, all together never have more than there is, and what a
// peer has stays its own until it is back, or an operator says that it is gone.
func strictly(t *testing.T, c *crowd, things []thing) {
	c.policy(sharing.PolicyStrict)
	for _, th := range things {
		c.shared(10*time.Second, th, sharing.PolicyStrict)
	}
	for _, p := range partitions() {
		if *long || p.strict {
			c.part("Apart/"+p.name, func(t *testing.T, c *crowd) { apartStrict(t, c, things, p) })
		}
	}
	if !*long {
		return
	}
	c.part("PolicyChanges", func(t *testing.T, c *crowd) { policyChangesApart(t, c, things) })
	c.part("Storm", func(t *testing.T, c *crowd) { storm(t, c, things) })
	for _, role := range roles() {
		c.part("Paused/"+role, func(t *testing.T, c *crowd) { pausedKeeps(t, c, things[0], role) })
	}
	for k, role := range roles() {
		th := things[k%len(things)]
		c.part("Killed/"+role, func(t *testing.T, c *crowd) { forgotten(t, c, th, role) })
	}
}

// shared waits until all nodes share something out by a policy, in one table.
func (c *crowd) shared(d time.Duration, th thing, policy string) {
	c.t.Helper()
	for i := range c.Nodes {
		c.within(d, fmt.Sprintf("tp%d shares %s by policy %s", i+1, th.name, policy), func() error {
			s, err := th.share(c, i)
			if err == nil && (s.Policy != policy || s.State != sharing.StateShared) {
				err = fmt.Errorf("%+v", s)
			}
			return err
		})
	}
}

// apartStrict cuts a cluster in two under load. Then each side has as much as it had by the table, to the last one, and no more; a side that no
// majority leads moves nothing between its peers. One again they have all there is.
func apartStrict(t *testing.T, c *crowd, things []thing, p partition) {
	all := c.underLoad(things)
	pause(t, time.Second)
	must(t, p.set(c, p, true))
	c.apart(15*time.Second, p)
	pause(t, time.Second) // under load, apart
	each(t, all, func(u *underLoad) {
		u.used = u.load.end()
		u.rest(c, p)
		c.none(u.thing, 0, 1, 2, 3)
	})
	for _, side := range [][]int{p.one, p.other} {
		if c.majority(side) {
			c.quietOf(15*time.Second, noGrowth, side...)
		} else {
			c.stands(15*time.Second, noGrowth, side...)
		}
	}
	must(t, p.set(c, p, false))
	c.oneAgain(all, sharing.PolicyStrict, p.other[len(p.other)-1])
}

// oneAgain waits until a cluster is whole, and shares out by a policy. Nobody lost what he had, all there is can be had through one node,
// and never did they all together have more.
func (c *crowd) oneAgain(all []*underLoad, policy string, node int) {
	c.t.Helper()
	begin := time.Now()
	c.whole(20*time.Second, 0, 1, 2, 3)
	for _, number := range []int{countsApart, keepsShare, noGrowth} {
		c.quietOf(15*time.Second, number, 0, 1, 2, 3)
	}
	each(c.t, all, func(u *underLoad) {
		c.shared(10*time.Second, u.thing, policy)
		c.uses(10*time.Second, u.thing, len(u.used), 0, 1, 2, 3)
		c.t.Logf("one again after %v, with %d %s in use", time.Since(begin).Round(time.Millisecond), len(u.used), u.thing.name)
		u.goesOn(c, node)
		u.history.never(c.t, u.thing.total)
	})
}

// apart waits until both sides know that they are.
func (c *crowd) apart(d time.Duration, p partition) {
	c.t.Helper()
	for _, a := range p.one {
		for _, b := range p.other {
			c.peer(d, a, b, "failed", failed)
			c.peer(d, b, a, "failed", failed)
		}
	}
}

// majority says whether a side of a partition is one.
func (c *crowd) majority(side []int) bool { return 2*len(side) > len(c.Nodes) }

// rest takes what each side of a partition may have by policy strict.
func (u *underLoad) rest(c *crowd, p partition) {
	for _, side := range [][]int{p.one, p.other} {
		if c.majority(side) {
			u.ofMajority(c, side)
			continue
		}
		for _, i := range side { // by its own ceiling, and at once
			s, err := u.thing.share(c, i)
			must(c.t, err)
			idle := whole(s.Here.Granted) - count(u.used, i)
			c.t.Logf("tp%d, cut off, has %g %s, %d of them idle", i+1, s.Here.Granted, u.thing.name, idle)
			if idle > 0 {
				u.used = append(u.used, c.fill(u.thing, i, idle)...)
			}
		}
	}
	if len(u.used) > u.thing.total {
		c.t.Errorf("%d %s are in use, of %d", len(u.used), u.thing.name, u.thing.total)
	}
}

// ofMajority takes what is not reserved for who is away, wherever on the side it is idle.
func (u *underLoad) ofMajority(c *crowd, side []int) {
	s, err := u.thing.share(c, side[0])
	must(c.t, err)
	left := float64(u.thing.total)
	for _, h := range s.Peers {
		if h.Away {
			left -= h.Granted
		}
	}
	idle := whole(left) - count(u.used, side...)
	c.t.Logf("the side of tp%d has %g %s, %d of them idle", side[0]+1, left, u.thing.name, idle)
	for range idle {
		u.used = append(u.used, c.takesWithin(10*time.Second, u.thing, side[len(side)-1]))
	}
}

// whole is how many whole ones there are in a share: what is asked for ahead is not counted in lanes.
func whole(share float64) int { return int(math.Floor(share + 1e-9)) }

// count is how many of what is held are of some nodes.
func count(all []*held, nodes ...int) (n int) {
	for _, h := range all {
		for _, i := range nodes {
			if h.node == i {
				n++
			}
		}
	}
	return n
}

// pausedKeeps stops a process that has half of something, which stays its own. The others have the other half meanwhile, and it goes on with
// what it has.
func pausedKeeps(t *testing.T, c *crowd, th thing, role string) {
	node := c.of(role)
	rest := c.others(node)
	used := c.fill(th, node, th.total/2)
	must(t, c.Nodes[node].Signal(unix.SIGSTOP))
	end := time.After(pauseTime())
	for range th.total - th.total/2 - c.idle(th, rest[0], node) {
		used = append(used, c.takesWithin(20*time.Second, th, rest[0]))
	}
	c.none(th, rest...)
	<-end
	must(t, c.Nodes[node].Signal(unix.SIGCONT))
	c.whole(20*time.Second, 0, 1, 2, 3)
	for len(used) < th.total {
		used = append(used, c.takesWithin(10*time.Second, th, rest[0]))
	}
	c.uses(20*time.Second, th, th.total, 0, 1, 2, 3)
	c.none(th, 0, 1, 2, 3)
	c.giveAll(used)
	c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
}

// idle is how many a lost node keeps that it does not use, as another one knows.
func (c *crowd) idle(th thing, at, of int) int {
	c.t.Helper()
	var granted float64
	c.within(15*time.Second, fmt.Sprintf("tp%d knows what tp%d keeps", at+1, of+1), func() error {
		s, err := th.share(c, at)
		if err != nil {
			return err
		}
		for _, h := range s.Peers {
			if h.Peer == c.Nodes[of].Name && h.Away {
				granted = h.Granted
				return nil
			}
		}
		return fmt.Errorf("%+v", s.Peers)
	})
	return th.total - whole(float64(th.total)-granted) - th.total/2
}

// forgotten kills a process that has half of something: nobody else has it before an operator says that it is gone. It comes back with what it
// knows of, and gives nothing while others use that.
func forgotten(t *testing.T, c *crowd, th thing, role string) {
	node := c.of(role)
	rest := c.others(node)
	used := c.fill(th, node, th.total/2)
	must(t, c.Nodes[node].End(unix.SIGKILL))
	kept := th.total/2 + c.idle(th, rest[0], node)
	var more []*held
	for range th.total - kept {
		more = append(more, c.takesWithin(20*time.Second, th, rest[0]))
	}
	c.none(th, rest...)
	c.stands(15*time.Second, keepsShare, rest...)
	pause(t, pauseTime())
	c.none(th, rest...)

	leader := c.leader()
	last := rest[(slices.Index(rest, leader)+1)%len(rest)]
	lost, there := c.Nodes[node].Name, c.Nodes[last].Name
	if why := c.refused(leader, "database", "forget", there, "--confirm", there); !strings.Contains(why, "is there, and uses what it has") {
		t.Errorf("a peer that is there is forgotten: %s", why)
	}
	c.run(leader, "database", "forget", lost, "--confirm", lost)
	for range kept {
		more = append(more, c.takesWithin(10*time.Second, th, last))
	}
	c.none(th, rest...)
	c.quietOf(15*time.Second, keepsShare, rest...)

	must(t, c.Nodes[node].Start(t.Context()))
	c.givesNothing(8*time.Second, th, node)
	c.whole(20*time.Second, 0, 1, 2, 3)
	c.giveAll(append(used, more...))
	var all []*held
	for range th.total { // calls count until nobody has come for them
		all = append(all, c.takesWithin(time.Minute, th, node))
	}
	c.giveAll(all)
	c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
}
