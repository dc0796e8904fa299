package clustertest

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// newSharing is four nodes at 80 ms with few licences, of which only the first has any, and a narrow pipe.
func newSharing(t *testing.T, licences, lanes int) *crowd {
	t.Helper()
	c := newCrowd(t, 4)
	issuer, err := clusterlab.NewIssuer()
	must(t, err)
	must(t, c.FormEach(t.Context(), func(n *clusterlab.Node) string {
		of := map[licensing.Feature]int{}
		if n.Index == 0 {
			of = map[licensing.Feature]int{licensing.RoomSystem: licences, licensing.RichMediaSession: 100}
		}
		has, err := issuer.Keys(n, of)
		must(t, err)
		return has + noDownspeed + c.takes(aPipe(lanes))
	}))
	c.pooled(20*time.Second, "room", float64(licences), 0, 0, 1, 2, 3)
	for i := range c.Nodes { // nobody is taken before the peers have agreed on shares
		must(t, c.takesWithin(20*time.Second, rooms(licences), i).give(t.Context()))
	}
	return c
}

// LI-06, BW-04, BW-05: while peers are connected they use together what there is, and never more.
func TestSharedByFour(t *testing.T) {
	t.Parallel()
	const number = 6
	c := newSharing(t, number, number)
	for _, th := range []thing{rooms(number), lanes(number)} {
		c.part(th.name, func(t *testing.T, c *crowd) {
			c.part("PassedOn", func(t *testing.T, c *crowd) { passedOn(t, c, th) })
			c.part("Linear", func(t *testing.T, c *crowd) { linear(t, c, th) })
		})
	}
}
