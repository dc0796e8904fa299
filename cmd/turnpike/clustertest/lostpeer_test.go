package clustertest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/licensing"
	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// LI-03, facts A3: of two peers with 300 rich media sessions each one is lost. The other has 600 for 14 days, told of by alarms, and
// then 300. Time is moved in what the node keeps of it, while it does not run.
func TestLicencesOfALostPeer(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 2)
	issuer, err := clusterlab.NewIssuer()
	must(t, err)
	must(t, c.FormEach(t.Context(), func(n *clusterlab.Node) string {
		has, err := issuer.Keys(n, map[licensing.Feature]int{licensing.RichMediaSession: 300, licensing.DesktopSystem: 40})
		must(t, err)
		return has + c.takes("{mode: unlimited}")
	}))
	c.pooled(15*time.Second, "rms", 600, 0, 0, 1)
	must(t, c.Nodes[1].End(unix.SIGKILL))
	c.peer(8*time.Second, 0, 1, "failed", failed)

	const number, calls, desktops = 301, 30012, 30013
	c.part("Hours", func(t *testing.T, c *crowd) { c.away(time.Hour, calls, desktops) })
	c.part("Days", func(t *testing.T, c *crowd) { c.away(13*pool.Days, calls+2, desktops+2) })
	c.part("MoreThanItsOwn", func(t *testing.T, c *crowd) { // which the others of the pool have
		c.pooled(5*time.Second, "rms", 600, 0, 0)
		standing := c.calls(0, number, clusterlab.Wanted{Kbps: 64, Video: true})
		c.pooled(5*time.Second, "rms", 600, number, 0)
		c.end(standing)
	})
	c.part("Over", func(t *testing.T, c *crowd) {
		c.away(pool.Stays-2*time.Second, calls+4, desktops+4)
		c.pooled(5*time.Second, "rms", 300, 0, 0)
		c.pooled(5*time.Second, "desktop", 40, 0, 0)
		standing := c.calls(0, number-1, clusterlab.Wanted{Kbps: 64, Video: true})
		if _, err := c.sites.Call(t.Context(), c.at(0), clusterlab.Wanted{Kbps: 64, Video: true}); !errors.Is(err, clusterlab.ErrRefused) {
			t.Errorf("a call with no licence: %v", err)
		}
		c.end(standing)
	})
	c.part("Back", func(t *testing.T, c *crowd) {
		must(t, c.Nodes[1].Start(t.Context()))
		c.whole(30*time.Second, 0, 1)
		c.pooled(10*time.Second, "rms", 600, 0, 0, 1)
		for _, number := range []int{calls + 4, desktops + 4} {
			c.within(5*time.Second, "no alarm", func() error { return c.alarm(0, number, false) })
		}
	})
}

// away has the first node run anew so long after it lost the other, and waits for alarms.
func (c *crowd) away(d time.Duration, alarms ...int) {
	c.t.Helper()
	n := c.Nodes[0]
	must(c.t, n.End(unix.SIGTERM))
	must(c.t, putOff(filepath.Join(n.State, "cluster", "member.json"), d))
	must(c.t, n.Start(c.t.Context()))
	for _, number := range alarms {
		c.stands(10*time.Second, number, 0)
	}
}

// putOff says in what a node keeps that all others have been away for so long.
func putOff(file string, d time.Duration) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var kept map[string]json.RawMessage
	var peers map[string]pool.Kept
	if err := errors.Join(json.Unmarshal(text, &kept), json.Unmarshal(kept["pool"], &peers)); err != nil {
		return err
	}
	for id, p := range peers {
		p.Away = d
		peers[id] = p
	}
	if kept["pool"], err = json.Marshal(peers); err != nil {
		return err
	}
	if text, err = json.Marshal(kept); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
