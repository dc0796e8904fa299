package resources

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/config"
)

// inCluster joins the Cluster Subzone to the sites; within the Default Subzone a call may have less than out of it.
const inCluster = twoSites + `  - {name: DC, node1: DefaultSubZone, node2: ClusterSubZone}
default_subzone: {bandwidth: {total: {mode: limited, kbps: 1000}, within: {mode: limited, kbps: 300}}}
`

// RG-05: a call to or from a peer is in the Cluster Subzone until it is set up, and then in the Default Subzone. What it was
// granted it keeps: its ends have been told.
func TestCallsOfPeers(t *testing.T) {
	peer := phone(config.ClusterSubzoneName)
	there := phone(config.DefaultSubzoneName)
	for name, tc := range map[string]struct {
		set, up      Way
		before, then []string
		used         map[string]uint64
	}{
		"to a peer": {
			way(there, peer, 800), way(there, there, 800),
			[]string{"DefaultSubZone", "ClusterSubZone"},
			[]string{"DefaultSubZone"},
			map[string]uint64{"calls": 2, "non_traversal": 2, "subzone DefaultSubZone": 800},
		},
		"from a peer": {
			way(peer, phone("Porto"), 800), way(there, phone("Porto"), 800),
			[]string{"ClusterSubZone", "DefaultSubZone", "Porto"},
			[]string{"DefaultSubZone", "Porto"},
			map[string]uint64{"calls": 2, "non_traversal": 2, "subzone DefaultSubZone": 800, "subzone Porto": 800, "link PD": 800, "pipe P": 800},
		},
		"by the node": {
			through(there, peer, 400), through(there, there, 400),
			[]string{"DefaultSubZone", "TraversalSubZone", "DefaultSubZone", "ClusterSubZone"},
			[]string{"DefaultSubZone", "TraversalSubZone", "DefaultSubZone"},
			map[string]uint64{"calls": 2, "traversal": 2, "subzone DefaultSubZone": 800, "subzone TraversalSubZone": 400, "link DT": 800},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResources(t, nodeOf(t, inCluster), Deps{})
			g := admitted(t, r, "1", one(tc.set))
			if diff := cmp.Diff(tc.before, g.Granted().Nodes); diff != "" {
				t.Errorf("while it is set up:\n%s", diff)
			}
			want := one(tc.up)
			want.Connected = true
			if err := g.Change(want); err != nil {
				t.Fatal(err)
			}
			got := g.Granted()
			if diff := cmp.Diff(tc.then, got.Nodes); diff != "" || got.Kbps[0] != tc.set.Asked {
				t.Errorf("then with %d kbit/s:\n%s", got.Kbps[0], diff)
			}
			if diff := cmp.Diff(tc.used, used(r)); diff != "" {
				t.Error(diff)
			}
			g.Release()
			if left := used(r); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}
