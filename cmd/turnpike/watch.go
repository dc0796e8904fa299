package main

import (
	"context"
	"slices"
	"time"
)

// watchEvery is how soon the log tells of a change for the worse or the better.
const watchEvery = time.Second

// watch writes to the log what stops working as configured, and when it works
// again: an interface that lost XDP, a limit that is reached (CA-04). Each is told
// once, however long it lasts.
func (n *node) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		st := n.Status()
		n.tellDegraded(st.Degraded)
		n.tellCapacity(st.Relays)
		n.tellPorts()
		n.tellLinks()
		n.tellFull()
		n.tellPeersFull()
		n.tellManager(ctx, st)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// tellDegraded logs the difference between what was told before and now.
func (n *node) tellDegraded(now []string) {
	for _, d := range now {
		if !slices.Contains(n.told, d) {
			n.log.Warn("System Degraded", "Detail", d)
		}
	}
	for _, d := range n.told {
		if !slices.Contains(now, d) {
			n.log.Event("System Restored", "Detail", "no longer: "+d)
		}
	}
	n.told = now
}
