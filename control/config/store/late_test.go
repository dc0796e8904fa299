package store

import (
	"context"
	"slices"
	"testing"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
)

// slow is a cluster that takes longer than anybody waits.
type slow struct {
	*member
	asked revisions.Propose
}

func (s *slow) Propose(_ context.Context, p revisions.Propose) error {
	s.asked = p
	return context.DeadlineExceeded
}

// PS: a change of shared items and of the node's own that comes into force later than anybody waited for does so with
// both, whatever else of the node's own was changed meanwhile.
func TestLateChangeIsWhole(t *testing.T) {
	for name, meanwhile := range map[string]bool{"nothing else": false, "another change meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			f := newFew(t, "tp1", "tp2")
			m := f.nodes["tp1"]
			late := &slow{member: m}
			m.store.SetCluster(late)
			both := slices.Concat(set("log.level", "warn").Operations, set("turn.realm", "r").Operations)
			if _, err := m.store.Propose(Proposal{Author: somebody, Operations: both}); err == nil {
				t.Fatal("it is in force")
			}
			file := m.store.Current().Node.Log.File
			if meanwhile {
				file = "/var/log/other.log"
				if _, err := m.store.Propose(set("log.file", file)); err != nil {
					t.Fatal(err)
				}
			}
			m.step(late.asked)
			f.settle()
			f.same()
			n := m.store.Current().Node
			if n.Log.Level != "warn" || n.TURN.Realm != "r" || n.Log.File != file {
				t.Errorf("level %s, realm %s, file %s", n.Log.Level, n.TURN.Realm, n.Log.File)
			}
		})
	}
}

// CL-03: with the list of peers only the coming and going of its link is the node's own.
func TestClusterLinkIsShared(t *testing.T) {
	const at = "links[" + config.ClusterLinkName + "]."
	list := config.Change{Path: "cluster.peers"}
	for name, tc := range map[string]struct {
		changes []config.Change
		want    bool
	}{
		"comes":   {[]config.Change{list, {Path: at + "node1", To: "a"}, {Path: at + "node2", To: "b"}}, false},
		"goes":    {[]config.Change{list, {Path: at + "node1", From: "a"}, {Path: at + "node2", From: "b"}}, false},
		"changes": {[]config.Change{list, {Path: at + "pipe1", To: "p"}}, true},
		"alone":   {[]config.Change{{Path: at + "node1", To: "a"}}, true},
	} {
		if _, got := firstShared(tc.changes); got != tc.want {
			t.Errorf("%s: shared is %v", name, got)
		}
	}
}
