package clustertest

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/control/sharing"
)

// policyChangesApart changes the policy while one peer does not hear of it: what counts is by which rule that one uses what it has. It begins and ends
// with policy strict.
func policyChangesApart(t *testing.T, c *crowd, things []thing) {
	p := partition{one: []int{0, 1, 2}, other: []int{3}, set: bothWays}
	c.part("Freer", func(t *testing.T, c *crowd) { // what it has without a lease is not freed
		all := c.underLoad(things)
		pause(t, time.Second)
		must(t, p.set(c, p, true))
		c.apart(15*time.Second, p)
		c.policy(sharing.PolicyAvailable)
		pause(t, 10*time.Second) // longer than leases, if it had any
		each(t, all, func(u *underLoad) {
			u.used = u.load.end()
			u.rest(c, p)
			c.none(u.thing, 0, 1, 2, 3)
		})
		must(t, p.set(c, p, false))
		c.oneAgain(all, sharing.PolicyAvailable, 3)
	})
	c.part("Stricter", func(t *testing.T, c *crowd) { // it counts for itself what it has under a lease, which the others free
		sidesUnderLoad(t, c, things, p, func() { c.policy(sharing.PolicyStrict) })
		for _, th := range things {
			c.shared(10*time.Second, th, sharing.PolicyStrict)
		}
	})
}

// policy has the primary set by which policy all is shared out.
func (c *crowd) policy(name string) {
	c.t.Helper()
	c.run(0, "config", "set", "licensing.policy", name)
	c.run(0, "config", "set", "bandwidth.policy", name)
}
