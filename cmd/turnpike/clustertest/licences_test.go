package clustertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// LI-01, LI-02, LI-05: four peers with 250+250+250+0 desktop and 100+100+50+0 rich media session licences
// have 750 and 250, which are there through any of them.
func TestLicencesOfFour(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 4)
	issuer, err := clusterlab.NewIssuer()
	must(t, err)
	keys := []map[licensing.Feature]int{
		{licensing.DesktopSystem: 250, licensing.RichMediaSession: 100},
		{licensing.DesktopSystem: 250, licensing.RichMediaSession: 100},
		{licensing.DesktopSystem: 250, licensing.RichMediaSession: 50, licensing.RoomSystem: 6},
		{},
	}
	must(t, c.FormEach(t.Context(), func(n *clusterlab.Node) string {
		has, err := issuer.Keys(n, keys[n.Index])
		must(t, err)
		return has + c.takes("{mode: unlimited}")
	}))
	c.part("OnePool", func(t *testing.T, c *crowd) {
		c.pooled(15*time.Second, "desktop", 750, 0, 0, 1, 2, 3)
		c.pooled(15*time.Second, "rms", 250, 0, 0, 1, 2, 3)
		c.pooled(15*time.Second, "room", 6, 0, 0, 1, 2, 3)
		for i, want := range []bool{false, false, false, true} { // LI-05
			c.within(5*time.Second, "39001", func() error { return c.alarm(i, 39001, want) })
		}
	})
	for i := range c.Nodes {
		c.part(fmt.Sprintf("Desktops/tp%d", i+1), func(t *testing.T, c *crowd) { allDesktops(t, c, i) })
	}
	for i := range c.Nodes {
		c.part(fmt.Sprintf("Calls/tp%d", i+1), func(t *testing.T, c *crowd) { allSessions(t, c, i) })
	}
}

// allDesktops registers as many desktops as there are licences through one node.
func allDesktops(t *testing.T, c *crowd, i int) {
	const number = 750
	c.phones.Device = "EX90"
	begin := time.Now()
	c.register(i, number, time.Hour)
	t.Logf("%d desktops on tp%d within %v", number, i+1, time.Since(begin).Round(time.Millisecond))
	c.pooled(5*time.Second, "desktop", number, number, 0, 1, 2, 3)
	for other := range c.Nodes {
		if err := c.phones.Register(t.Context(), c.at(other), number+other, time.Hour); !errors.Is(err, clusterlab.ErrRefused) {
			t.Errorf("one more at tp%d: %v", other+1, err)
		}
	}
	c.register(i, number, 0)
	c.pooled(5*time.Second, "desktop", number, 0, 0, 1, 2, 3)
}

// allSessions has as many calls with video through one node as there are licences.
func allSessions(t *testing.T, c *crowd, i int) {
	const number = 250
	video := clusterlab.Wanted{Kbps: 64, Video: true}
	begin := time.Now()
	calls := c.calls(i, number, video)
	t.Logf("%d calls through tp%d within %v", number, i+1, time.Since(begin).Round(time.Millisecond))
	c.pooled(5*time.Second, "rms", number, number, 0, 1, 2, 3)
	for other := range c.Nodes {
		if _, err := c.sites.Call(t.Context(), c.at(other), video); !errors.Is(err, clusterlab.ErrRefused) {
			t.Errorf("one more through tp%d: %v", other+1, err)
		}
	}
	c.end(calls)
	c.pooled(5*time.Second, "rms", number, 0, 0, 1, 2, 3)
}
