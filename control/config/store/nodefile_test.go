package store

import (
	"testing"

	"turnpike.dev/turnpike/control/config"
)

// file is a node file that is read.
func file(t *testing.T, text string) Proposal {
	return Proposal{Author: Author{User: "node file"}, File: true, Document: parse(t, "system: {name: tp1}\ninterfaces: {external: {name: s1}}\n"+text)}
}

// The node file's own items count when the file says something new; what a command set stays over restarts otherwise
// (issue: a list of peers that was changed by command, an option key).
func TestNodeFileAfterCommands(t *testing.T) {
	const said = "log: {level: warn}\ncluster: {name: c.test, peers: [a.test]}\n"
	s, _ := mustOpen(t, newDisk())
	propose := func(p Proposal) *config.Node {
		t.Helper()
		if _, err := s.Propose(p); err != nil {
			t.Fatal(err)
		}
		return s.Current().Node
	}
	propose(file(t, said))
	propose(set("cluster.peers[2]", "b.test"))
	if n := propose(file(t, said)); len(n.Cluster.Peers) != 2 {
		t.Errorf("a file that says the same made the list %v", n.Cluster.Peers)
	}
	propose(set("log.level", "debug"))
	if n := propose(file(t, "log: {level: warn}\ncluster: {name: c.test, peers: [a.test, c.test]}\n")); n.Cluster.Peers[1] != "c.test" || n.Log.Level != "debug" {
		t.Errorf("a new list made %v, %s", n.Cluster.Peers, n.Log.Level)
	}
	if n := propose(file(t, "turn: {realm: other}\n")); len(n.Cluster.Peers) != 0 || n.Log.Level != "info" || n.TURN.Realm == "other" {
		t.Errorf("a file that says nothing any more left %v, %s, %s", n.Cluster.Peers, n.Log.Level, n.TURN.Realm)
	}
}

// CL-13, CL-14: who left by an emptied list does not come back by what his file always said; who was reset by command has
// all of his file again.
func TestNodeFileAfterReset(t *testing.T) {
	const said = "log: {level: warn}\ncluster: {name: c.test, peers: [a.test]}\n"
	for _, left := range []bool{true, false} {
		s, _ := mustOpen(t, newDisk())
		if _, err := s.Propose(file(t, said)); err != nil {
			t.Fatal(err)
		}
		if err := s.Reset(somebody, left); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Propose(file(t, said)); err != nil {
			t.Fatal(err)
		}
		n := s.Current().Node
		if (len(n.Cluster.Peers) == 0) != left || n.Log.Level != "warn" || !s.Fresh() {
			t.Errorf("left %t: %v, %s, fresh %t", left, n.Cluster.Peers, n.Log.Level, s.Fresh())
		}
		if _, err := s.Propose(file(t, "cluster: {name: d.test, peers: [a.test]}\n")); err != nil {
			t.Fatal(err)
		}
		if n := s.Current().Node; n.Cluster.Name != "d.test" {
			t.Errorf("left %t: a new list in the file does not count: %v", left, n.Cluster)
		}
	}
}
