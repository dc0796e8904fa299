package main

import (
	"cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/pooling"
)

// pool lets what this node and its peers share be the cluster's. A node that belongs to a cluster lends from the
// start: what calls and registrations may have of that, its peers say.
func (n *node) pool(m *member.Member, agreed *agreement.Agreement) {
	n.pooling = pooling.New(pooling.Deps{
		Self: cluster.ID(n.id), Resources: n.resources, Member: m, Keeper: n.licences,
		Board: n.board, Standing: n.board.List(), Boot: sinceBoot,
		Named: func(id cluster.ID) string { return peerName(m.Status().Peers, id) },
	})
	m.Share(n.pooling)
	m.Watch(pooling.Prefix, n.pooling.Take)
	if agreed.Stored().Cluster != "" {
		n.pooling.Lend()
	}
	n.resources.Share(n.pooling)
}

// peerName is how the list calls a peer, also one that is away; empty: it does not know it.
func peerName(list []member.PeerStatus, id cluster.ID) string {
	for _, p := range list {
		if p.ID == id {
			return cmp.Or(p.Name, p.Address)
		}
	}
	return ""
}

// shortage tells of what was short: the keeper of licences, and where there is one the cluster.
type shortage struct{ node *node }

// Short implements admission.Ledger.
func (s shortage) Short(c *admission.Counter, n uint32) {
	if !s.node.pooling.Short(c, n) { // of what is lent it is told when the cluster says that there is no more
		s.node.licences.Short(c, n)
	}
}
