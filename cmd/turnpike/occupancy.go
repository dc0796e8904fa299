package main

import (
	"fmt"
	"maps"
	"slices"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/occupancy"
)

var _ api.Bandwidth = (*node)(nil)

// Bandwidth says what calls use of subzones, zones, links and pipes (api.Bandwidth).
func (n *node) Bandwidth() occupancy.Report {
	r, s := occupancy.Of(n.resources, n.running(), n.meter()), n.shares()
	s.objects(r.Objects)
	status := s.status()
	r.Sharing = &status
	return r
}

// CheckBandwidth says what a call would get (api.Bandwidth).
func (n *node) CheckBandwidth(q occupancy.Question) (occupancy.Answer, error) {
	return occupancy.Check(n.resources, n.running(), q)
}

// callRates is what each call sends, by serial.
type callRates map[string]uint32

// Measured implements occupancy.Meter.
func (r callRates) Measured(serial string) (kbps uint32, known bool) {
	kbps, known = r[serial]
	return kbps, known
}

// meter is what the calls send now whose media passes the node.
func (n *node) meter() occupancy.Meter {
	r := callRates{}
	if n.calls == nil {
		return r
	}
	for _, c := range n.calls.Calls() {
		if kbps, known := measuredKbps(c); known {
			r[c.Serial] = kbps
		}
	}
	return r
}

// measuredKbps is the larger of the two directions of a call; false of one whose media
// passes the node by.
func measuredKbps(c calls.Call) (kbps uint32, known bool) {
	r := c.Media.MeasuredKbps
	if r == nil {
		return 0, false
	}
	return max(r.FromCaller, r.FromCallee), true
}

// alarmLinks are the alarms about shipped links, by the ends of the link (facts A5).
var alarmLinks = map[[2]string]int{
	{config.DefaultSubzoneName, config.TraversalSubzoneName}: 45002,
	{config.DefaultSubzoneName, config.DefaultZoneName}:      45006,
	{config.DefaultSubzoneName, config.ClusterSubzoneName}:   45007,
	{config.TraversalSubzoneName, config.DefaultZoneName}:    45008,
}

// tellLinks raises and lowers the alarms about shipped links that are not there.
func (n *node) tellLinks() {
	missing := config.MissingDefaultLinks(n.running())
	for ends, number := range alarmLinks {
		gone := slices.ContainsFunc(missing, func(l config.Link) bool { return l.Node1 == ends[0] && l.Node2 == ends[1] })
		n.tell(number, gone, fmt.Sprintf("no link joins %s and %s", ends[0], ends[1]))
	}
}

// tellFull writes to the log when what calls may use somewhere is used up, and when some
// is left again. One goroutine calls it.
func (n *node) tellFull() {
	if n.resources == nil {
		return
	}
	full, shared := map[string]bool{}, n.shares()
	for _, o := range n.resources.Objects() {
		if !o.Total.Limited || o.Total.Kbps == 0 {
			continue
		}
		name := o.Kind.String() + " " + o.Name
		used, whose := o.GrantedKbps, fmt.Sprintf("%d calls", o.Calls)
		if of, is := shared.of[name]; is {
			used, whose = of.Cluster.Used, fmt.Sprintf("calls of all peers, %d to %d of this node", o.GrantedKbps, o.Calls)
		}
		if used < uint64(o.Total.Kbps) {
			continue
		}
		full[name] = true
		if !n.full[name] {
			n.log.Warn("Bandwidth Limit Reached", "Detail", fmt.Sprintf("%s: %d of %d kbit/s are granted to %s", name, used, o.Total.Kbps, whose))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.full)) {
		if !full[name] {
			n.log.Event("Bandwidth Left Again", "Detail", name)
		}
	}
	n.full = full
}
