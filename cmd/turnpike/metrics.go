package main

import (
	"net/http"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/dataplane/relay"
)

func newMetrics(n *node) http.Handler { return metrics.Handler(n) }

// Snapshot is the node as its metrics show it.
func (n *node) Snapshot() metrics.Snapshot {
	st := n.Status()
	s := metrics.Snapshot{
		Version: st.Version, Go: goVersion(), Started: st.Started,
		Ready: st.State == api.Ready, Draining: st.Draining, Degraded: len(st.Degraded),
		RelayLimit: st.Relays.Limit, Strays: n.engine.Strays(),
	}
	carried, flows := n.totals.sum()
	s.Up, s.Down = trafficOf(carried[relay.Up]), trafficOf(carried[relay.Down])
	s.Flows = map[string]int{}
	for path, count := range flows {
		s.Flows[string(path)] = count
	}
	if n.turn != nil {
		s.TURN = n.turn.Stats()
		s.Allocations = map[string]int{"udp": 0, "tcp": 0, "tls": 0}
		for _, a := range n.turn.Allocations() {
			s.Allocations[string(a.Transport)]++
		}
	}
	for _, r := range n.Reasons() {
		s.Exits = append(s.Exits, metrics.Exit{Path: r.Path, Reason: r.Reason, Verdict: r.Verdict, Packets: r.Packets})
	}
	for _, i := range st.Interfaces {
		s.Interfaces = append(s.Interfaces, metrics.Interface{Name: i.Name, Path: i.Path, Mode: i.Mode})
	}
	for _, m := range n.maps() {
		s.Maps = append(s.Maps, metrics.Map{Name: m.Name, Entries: m.Entries, Capacity: m.Capacity})
	}
	return s
}

func trafficOf(c relay.Counters) metrics.Traffic {
	return metrics.Traffic{Packets: c.Packets, Bytes: c.Bytes, Policed: c.Policed}
}
