package main

import (
	"sync"

	"turnpike.dev/turnpike/dataplane/relay"
)

// totals is a relay.Table that remembers what ended pairs carried, so that the
// node's counters never fall. Its lock is taken after the TURN server's and before
// the table's.
type totals struct {
	relay.Table
	mu    sync.Mutex
	ended [2]relay.Counters
}

// Remove takes a pair out and keeps its sums.
func (t *totals) Remove(id relay.ID) ([2]relay.FlowStats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats, err := t.Table.Remove(id)
	for d := range stats {
		addTo(&t.ended[d], stats[d].Counters)
	}
	return stats, err
}

// sum returns what all pairs carried in each direction, and the flows there are by
// who relays them.
func (t *totals) sum() (carried [2]relay.Counters, flows map[relay.Path]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	carried, flows = t.ended, map[relay.Path]int{relay.PathXDP: 0, relay.PathUserspace: 0}
	for _, p := range t.List() {
		for d, f := range p.Stats {
			addTo(&carried[d], f.Counters)
			flows[f.Path]++
		}
	}
	return carried, flows
}

func addTo(total *relay.Counters, c relay.Counters) {
	total.Packets += c.Packets
	total.Bytes += c.Bytes
	total.Policed += c.Policed
}
