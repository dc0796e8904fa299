package clustertest

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/sharing"
)

// storms is how often something is broken at random.
var storms = flag.Int("storms", 12, "how often -long breaks a cluster at random")

// storm is apartStrict with anything broken: lines in any direction, and processes that stand still, one fault after another without waiting for
// what the last one did. All together never have more than there is (LI-06, BW-05, policy strict).
func storm(t *testing.T, c *crowd, things []thing) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	all := c.underLoad(things)
	for range *storms {
		switch chance.IntN(4) {
		case 0:
			c.stops(chance.IntN(len(c.Nodes)), time.Duration(500+chance.IntN(9000))*time.Millisecond)
		case 1:
			c.cuts(func() bool { return false })
			pause(t, time.Duration(chance.IntN(4000))*time.Millisecond)
		default:
			odds := chance.Float64()
			c.cuts(func() bool { return chance.Float64() < odds })
			pause(t, time.Duration(500+chance.IntN(9000))*time.Millisecond)
		}
	}
	each(t, all, func(u *underLoad) { u.used = u.load.end() })
	c.cuts(func() bool { return false })
	c.oneAgain(all, sharing.PolicyStrict, chance.IntN(len(c.Nodes)))
}

// stops stops a process for a while.
func (c *crowd) stops(node int, d time.Duration) {
	c.t.Helper()
	must(c.t, c.Nodes[node].Signal(unix.SIGSTOP))
	pause(c.t, d)
	must(c.t, c.Nodes[node].Signal(unix.SIGCONT))
}

// cuts cuts each line between two nodes, in each direction for itself, or mends it.
func (c *crowd) cuts(cut func() bool) {
	for from := range c.Nodes {
		for to := range c.Nodes {
			if from != to {
				c.Star.Switch.Cut(from, to, cut())
			}
		}
	}
}
