package main

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/control/metrics"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/dataplane/relay"
)

func newMetrics(n *node) http.Handler { return metrics.Handler(n) }

// Snapshot is the node as its metrics show it.
func (n *node) Snapshot() metrics.Snapshot {
	st := n.Status()
	s := metrics.Snapshot{
		Version: st.Version, Go: goVersion(), Started: st.Started,
		Ready: st.State == api.Ready, Draining: st.Draining, Degraded: len(st.Degraded),
		RelayLimit: st.Relays.Limit, Strays: n.engine.Strays(), LeasesRenewed: n.engine.Renewed(),
		Alarms: n.alarmCounts(), Log: n.log.Stats(), Capturing: n.captures.running(),
	}
	if n.records != nil {
		s.Lost = n.records.Lost()
	}
	if n.syslog != nil {
		s.Unsent = n.unsent.add(n.syslog.Status())
	}
	n.addTURN(&s)
	n.addSIP(&s)
	n.addPeers(&s)
	if n.resources != nil {
		s.Bandwidth = occupancy.Objects(n.resources, n.running(), n.meter())
		shared := n.shares()
		shared.objects(s.Bandwidth)
		s.BandwidthRefusals = addRefusals(nil, n.resources.RefusedBandwidth())
		s.Sharing, s.Recalls = shared.status(), shared.ledger.Recalls
		s.GrantsUnjournaled = n.resources.Unjournaled()
		n.addLicences(&s, shared)
	}
	addCarried(&s, n.totals.sum())
	for _, r := range n.Reasons() {
		s.Exits = append(s.Exits, metrics.Exit{Path: r.Path, Reason: r.Reason, Verdict: r.Verdict, Packets: r.Packets})
	}
	for _, i := range st.Interfaces {
		s.Interfaces = append(s.Interfaces, metrics.Interface{Name: i.Name, Path: i.Path, Mode: i.Mode})
	}
	for _, m := range n.maps() {
		s.Maps = append(s.Maps, metrics.Map{Name: m.Name, Entries: m.Entries, Capacity: m.Capacity})
	}
	for _, q := range n.spread.since(n.kernel) {
		s.Queues = append(s.Queues, metrics.Queues{Interface: q.Interface, Over: string(q.Over), Packets: q.Packets})
	}
	s.Links = machine.Links(n.names())
	s.Losses, _ = machine.Losses(n.names()) // what cannot be read is not shown
	return s
}

func (n *node) addTURN(s *metrics.Snapshot) {
	if n.turn == nil {
		return
	}
	s.TURN = n.turn.Stats()
	s.Allocations = map[string]int{"udp": 0, "tcp": 0, "tls": 0}
	for _, a := range n.turn.Allocations() {
		s.Allocations[string(a.Transport)]++
	}
}

func addCarried(s *metrics.Snapshot, all sums) {
	for _, d := range []relay.Direction{relay.Up, relay.Down} {
		s.Carried = append(s.Carried,
			metrics.Carried{Path: string(relay.PathXDP), Direction: d.String(), Carried: all.carried[d].kernel},
			metrics.Carried{Path: string(relay.PathUserspace), Direction: d.String(), Carried: all.carried[d].process})
		s.RTP = append(s.RTP, metrics.RTP{Direction: d.String(), Expected: all.rtp[d].expected, Received: all.rtp[d].received})
	}
	s.Flows = flowsByCause(all.causes)
}

// flowsByCause brings the reasons down to their kinds, of which there are few: a
// reason names addresses and interfaces, and a label must not.
func flowsByCause(causes map[cause]int) []metrics.Flows {
	counts := map[metrics.Flows]int{
		{Path: string(relay.PathXDP)}:                               0,
		{Path: string(relay.PathUserspace), Cause: "client_stream"}: 0,
	}
	for c, n := range causes {
		counts[metrics.Flows{Path: string(c.path), Cause: kindOf(c.reason)}] += n
	}
	list := make([]metrics.Flows, 0, len(counts))
	for f, n := range counts {
		f.Count = n
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b metrics.Flows) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}

// kinds are what reasons are recognised by, in this order.
var kinds = []struct{ part, kind string }{
	{"client is on TCP or TLS", "client_stream"},
	{"dataplane.mode is userspace", "configured"},
	{"table is full", "table_full"},
	{"link address of", "next_hop"},
	{"route from", "next_hop"},
	{"is an address of this node", "next_hop"},
	{"cannot redirect", "interface"},
	{"interface", "interface"},
	{"XDP on", "interface"},
	{"not attached", "interface"},
}

// kindOf names the kind of reason that a flow is not on XDP for.
func kindOf(reason string) string {
	if reason == "" {
		return ""
	}
	for _, k := range kinds {
		if strings.Contains(reason, k.part) {
			return k.kind
		}
	}
	return "other"
}

// names are the node's interfaces.
func (n *node) names() []string {
	names := make([]string, 0, len(n.sides))
	for _, s := range n.sides {
		names = append(names, s.name)
	}
	return names
}
