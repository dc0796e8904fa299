package clustertest

import (
	"testing"
	"time"
)

// sidesUnderLoad cuts a cluster in two, with things of policy available, while clients come and go at all nodes, and mends it under them; when the sides
// know that they are apart something may be done. Each side behaves as one counter, before, meanwhile and afterwards, and goes on with what is not held for a lost peer (LI-06, BW-05).
func sidesUnderLoad(t *testing.T, c *crowd, things []thing, p partition, meanwhile func()) {
	var all []*underLoad
	for _, th := range things {
		all = append(all, c.loads(th, 2, p.one...), c.loads(th, 2, p.other...))
	}
	pause(t, time.Second)
	must(t, p.set(c, p, true))
	c.apart(15*time.Second, p)
	meanwhile()
	pause(t, 10*time.Second) // where the leader was lost another one frees nothing in its first six
	settled := time.Now()
	pause(t, 5*time.Second)
	for _, u := range all {
		if u.thing.hold == 0 && u.history.since(settled) == 0 {
			t.Errorf("a side gives none of its %s", u.thing.name)
		}
	}
	must(t, p.set(c, p, false))
	begin := time.Now()
	c.whole(30*time.Second, 0, 1, 2, 3)
	used := map[string]int{}
	for _, u := range all {
		u.used = u.load.end()
		t.Logf("%d %s are in use on a side that was apart", len(u.used), u.thing.name)
		used[u.thing.name] += len(u.used)
	}
	for _, th := range things { // nobody lost what he had
		c.uses(15*time.Second, th, used[th.name], 0, 1, 2, 3)
	}
	c.quietOf(15*time.Second, countsApart, 0, 1, 2, 3)
	t.Logf("one again after %v", time.Since(begin).Round(time.Millisecond))
	each(t, all, func(u *underLoad) {
		c.giveAll(u.used)
		u.history.never(t, u.thing.total)
	})
	last := p.other[len(p.other)-1]
	for _, th := range things {
		c.giveAll(c.takeAll(th, []int{last}))
		c.uses(10*time.Second, th, 0, 0, 1, 2, 3)
	}
}
