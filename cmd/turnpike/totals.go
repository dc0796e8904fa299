package main

import (
	"sync"

	"turnpike.dev/turnpike/dataplane/relay"
)

// totals is a relay.Table that remembers what ended pairs carried, so that the
// node's counters never fall while it runs. Its lock is taken after the TURN server's
// and before the table's.
type totals struct {
	relay.Table
	mu    sync.Mutex
	ended [2]carried
	// before is what the kernel had counted of flows that an earlier process left: a
	// counter that jumps at a restart would look like traffic.
	before map[relay.ID][2]relay.Carried
	rtp    [2]rtpSum
	heard  map[relay.ID][2]rtpSum // what of a pair is in rtp already
}

// carried is what one direction carried, by who relayed it.
type carried struct{ kernel, process relay.Carried }

// rtpSum is how many RTP packets senders numbered, and how many of them came.
type rtpSum struct{ expected, received uint64 }

// begin starts the counters from what the pairs that there are have counted.
func (t *totals) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before, t.heard = map[relay.ID][2]relay.Carried{}, map[relay.ID][2]rtpSum{}
	for _, p := range t.List() {
		t.before[p.ID] = [2]relay.Carried{p.Stats[0].Carried(), p.Stats[1].Carried()}
		t.heard[p.ID] = [2]rtpSum{rtpOf(p.Stats[0]), rtpOf(p.Stats[1])}
	}
}

// Remove takes a pair out and keeps its sums.
func (t *totals) Remove(id relay.ID) ([2]relay.FlowStats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats, err := t.Table.Remove(id)
	if err != nil {
		return stats, err
	}
	t.hear(id, stats)
	for d := range stats {
		t.ended[d].add(stats[d], t.before[id][d])
	}
	delete(t.before, id)
	delete(t.heard, id)
	return stats, nil
}

// sums are the node's counters, and its flows by who relays them and why.
type sums struct {
	carried [2]carried
	rtp     [2]rtpSum
	flows   map[relay.Path]int
	causes  map[cause]int
	pairs   []relay.PairInfo
}

// cause is who relays a flow and the reason for it.
type cause struct {
	path   relay.Path
	reason string
}

// sum adds up what all pairs carried since begin.
func (t *totals) sum() sums {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := sums{
		carried: t.ended,
		flows:   map[relay.Path]int{relay.PathXDP: 0, relay.PathUserspace: 0},
		causes:  map[cause]int{},
	}
	s.pairs = t.List()
	for _, p := range s.pairs {
		t.hear(p.ID, p.Stats)
		for d, f := range p.Stats {
			s.carried[d].add(f, t.before[p.ID][d])
			s.flows[f.Path]++
			s.causes[cause{f.Path, f.Reason}]++
		}
	}
	s.rtp = t.rtp
	return s
}

// hear adds what RTP said of a pair since it was last asked. A source that gave its
// place to another takes its count along; what was heard of it stays.
func (t *totals) hear(id relay.ID, stats [2]relay.FlowStats) {
	var now [2]rtpSum
	for d := range stats {
		now[d] = rtpOf(stats[d])
		last := t.heard[id][d]
		t.rtp[d].expected += now[d].expected - min(last.expected, now[d].expected)
		t.rtp[d].received += now[d].received - min(last.received, now[d].received)
	}
	if now != [2]rtpSum{} {
		if t.heard == nil {
			t.heard = map[relay.ID][2]rtpSum{}
		}
		t.heard[id] = now
	}
}

func rtpOf(f relay.FlowStats) (sum rtpSum) {
	for _, r := range f.RTP {
		sum.expected += r.Expected
		sum.received += r.Received
	}
	return sum
}

func (c *carried) add(f relay.FlowStats, before relay.Carried) {
	c.kernel.Add(f.Carried().Sub(f.Process).Sub(before))
	c.process.Add(f.Process)
}
