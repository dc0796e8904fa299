package config

import "fmt"

// defaultLinks are the links that are shipped (facts A1.3).
func defaultLinks() []Link {
	return []Link{
		{Index: 1, Name: "DefaultSZtoTraversalSZ", Node1: DefaultSubzoneName, Node2: TraversalSubzoneName},
		{Index: 2, Name: "DefaultSZtoDefaultZ", Node1: DefaultSubzoneName, Node2: DefaultZoneName},
		{Index: 3, Name: "TraversalSZtoDefaultZ", Node1: TraversalSubzoneName, Node2: DefaultZoneName},
	}
}

// ClusterLinkName is the link that comes with the list of peers.
const ClusterLinkName = "DefaultSZtoClusterSZ"

// clusterLink is what a cluster adds to them: calls between peers pass it while they are
// set up (RG-05).
var clusterLink = Link{Name: ClusterLinkName, Node1: DefaultSubzoneName, Node2: ClusterSubzoneName}

// Clustered reports whether the node is a peer of a cluster, were it of one.
func (n *Node) Clustered() bool { return len(n.Cluster.Peers) > 0 }

// MissingDefaultLinks returns the shipped links whose ends no link joins. One that was
// renamed is there.
func MissingDefaultLinks(n *Node) []Link {
	want := defaultLinks()
	if n.Clustered() {
		want = append(want, clusterLink)
	}
	var missing []Link
	for _, l := range want {
		if !n.joined(l) {
			missing = append(missing, l)
		}
	}
	return missing
}

// RestoreDefaultLinks returns the operations that bring missing shipped links back
// (DefaultLinksAdd, facts A1.3). Links that have taken their names keep them.
func RestoreDefaultLinks(n *Node) []Operation {
	var ops []Operation
	for _, l := range MissingDefaultLinks(n) {
		name := l.Name
		for i := 2; n.linkNamed(name); i++ {
			name = fmt.Sprintf("%s%d", l.Name, i)
		}
		at := fmt.Sprintf("links[%s].", name)
		ops = append(ops, Operation{Verb: Set, Path: at + "node1", Text: l.Node1}, Operation{Verb: Set, Path: at + "node2", Text: l.Node2})
	}
	return ops
}
