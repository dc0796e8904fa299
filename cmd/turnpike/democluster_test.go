package main

import (
	"path/filepath"
	"testing"

	"turnpike.dev/turnpike/control/clustering"
)

// CL-02, CL-03, CL-09, CL-17, RG-01, RG-04: four nodes form at 80 ms, a change is on all within a second, endpoints
// on different peers talk with media on XDP, and the registrations of one that is killed move. LI-01, LI-03, LI-06: licences that two of them use
// up are taken over by one when the other is killed, and shared by one table when that is back.
func TestDemoCluster(t *testing.T) {
	needRoot(t)
	s := &stage{self: binary(t), state: filepath.Join(t.TempDir(), "state")}
	report := decode[clusterReport](t, s, "demo", "cluster")
	if !report.OK || len(report.Steps) != 9 || len(report.Talks) != 2 {
		t.Errorf("report %+v", report)
	}
	for i, p := range report.Pool {
		var granted float64
		for _, n := range p.Nodes {
			granted += n.Here.Granted
		}
		one, three := p.Nodes[0].Here.Used, p.Nodes[2].Here.Used
		// Nobody has one twice; tp1 and tp3 use all, but for the time when tp3 is away: then tp1 does.
		if all := one + three; granted > 2*demoDesks || i > 0 && all != 2*demoDesks || (i == 2 || i == 3) && three != 0 {
			t.Errorf("%s: %g are granted, tp1 uses %g, tp3 %g", p.When, granted, one, three)
		}
	}
	if ok, missing := report.Cluster.Settled(); !ok || len(report.Cluster.Peers) != demoPeers || report.Cluster.Mode != clustering.Clustered {
		t.Errorf("the cluster at the end: %v, %+v", missing, report.Cluster)
	}
}
