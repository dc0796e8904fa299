package main

import (
	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/pooling"
	"turnpike.dev/turnpike/control/resources"
)

// pool lets what this node and its peers share be the cluster's. A node that belongs to a cluster lends from the
// start: what calls and registrations may have of that, its peers say.
func (n *node) pool(m *member.Member, agreed *agreement.Agreement) {
	n.pooling = pooling.New(pooling.Deps{
		Self: cluster.ID(n.id), Resources: n.resources, Member: m, Keeper: n.licences,
		Board: n.board, Standing: n.board.List(), Boot: sinceBoot,
	})
	m.Share(n.pooling)
	m.Watch(pooling.Prefix, n.pooling.Take)
	if agreed.Stored().Cluster != "" {
		n.pooling.Lend()
	}
	n.resources.Share(n.pooling)
}

// shares says how a level is shared out, here and in the cluster.
func (n *node) shares(l resources.Level) (policy string, here, whole api.LicenceShare) {
	s, shared := n.pooling.Share(l.Name)
	if !shared {
		whole = api.LicenceShare{Total: float64(l.Limit), Granted: float64(l.Limit), Used: float64(l.Used)}
		return policyAlone, whole, whole
	}
	return s.Policy, licenceShare(s.Here), licenceShare(s.Cluster)
}

func licenceShare(a pooling.Amounts) api.LicenceShare {
	return api.LicenceShare{Total: float64(a.Total), Granted: float64(a.Granted), Used: float64(a.Used)}
}

// policyAlone is what status says of what no peers share.
const policyAlone = "alone"

// shortage tells of what was short: the keeper of licences, and where there is one the cluster.
type shortage struct{ node *node }

// Short implements admission.Ledger.
func (s shortage) Short(c *admission.Counter, n uint32) {
	if !s.node.pooling.Short(c, n) { // of what is lent it is told when the cluster says that there is no more
		s.node.licences.Short(c, n)
	}
}
