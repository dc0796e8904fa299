package main

import (
	"context"
	"errors"
	"fmt"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config/store"
)

var _ api.Cluster = (*node)(nil)

// errStandalone refuses what needs peers.
var errStandalone = errors.New("this node runs standalone: form a cluster with `turnpike cluster join`, and restart")

// requestRestart asks a peer to restart (CL-20).
const requestRestart = "restart"

// answers says what this node does when a peer asks it.
func (n *node) answers(m *member.Member) {
	m.Handle(requestRestart, func(_ context.Context, from cluster.ID, _ []byte) ([]byte, error) {
		p, ok := m.Peer(from)
		if !ok {
			return nil, member.ErrUnknownPeer
		}
		n.log.Event("Cluster Restart", "Detail", "an operator asked for it on "+p.Name, "Peer", p.Address)
		n.Restart()
		return nil, nil
	})
}

// RestartPeer restarts a peer of the list; this node itself is one.
func (n *node) RestartPeer(ctx context.Context, by store.Author, place int) error {
	st := n.Clustering()
	if st.Mode != clustering.Clustered {
		return errStandalone
	}
	p := st.Peers[place-1]
	n.log.Event("Cluster Restart", "Detail", "asked for here", "Peer", p.Address, "User", by.User, "Src", by.From)
	switch {
	case st.Own == place:
		n.Restart()
		return nil
	case !p.Active() || !p.Joined:
		return fmt.Errorf("%s is %s: restart it there", p.Address, p.State)
	}
	if _, err := n.cluster.Request(ctx, cluster.ID(p.ID), requestRestart, nil); err != nil {
		return fmt.Errorf("ask %s to restart: %w", p.Address, err)
	}
	return nil
}

// TrustPeer drops the pinned key of an entry (CL-05).
func (n *node) TrustPeer(address string) error {
	if n.cluster == nil {
		return errStandalone
	}
	return n.cluster.Trust(address)
}

// ForceUpdate takes the primary's configuration whatever there is here (CL-15).
func (n *node) ForceUpdate(ctx context.Context) error {
	if n.cluster == nil {
		return errStandalone
	}
	return n.cluster.Force(ctx)
}

// SuggestMapping proposes pairs from what the peers say of themselves.
func (n *node) SuggestMapping() []clustering.Mapping {
	return clustering.SuggestMappings(n.running(), n.Clustering())
}

// ClusterDNS asks the name servers of the configuration, or the machine's.
func (n *node) ClusterDNS() clustering.Resolver { return resolver(n.running().DNS.Servers) }
