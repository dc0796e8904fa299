package main

import (
	"path/filepath"
	"testing"

	"turnpike.dev/turnpike/control/clustering"
)

// CL-02, CL-03, CL-09, CL-17, RG-01, RG-04: four nodes form at 80 ms, a change is on all within a second, endpoints
// on different peers talk with media on XDP, and the registrations of one that is killed move.
func TestDemoCluster(t *testing.T) {
	needRoot(t)
	s := &stage{self: binary(t), state: filepath.Join(t.TempDir(), "state")}
	report := decode[clusterReport](t, s, "demo", "cluster")
	if !report.OK || len(report.Steps) != 5 || len(report.Talks) != 2 {
		t.Errorf("report %+v", report)
	}
	if ok, missing := report.Cluster.Settled(); !ok || len(report.Cluster.Peers) != demoPeers || report.Cluster.Mode != clustering.Clustered {
		t.Errorf("the cluster at the end: %v, %+v", missing, report.Cluster)
	}
}
