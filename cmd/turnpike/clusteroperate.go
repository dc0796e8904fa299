package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// RestartPeer restarts a peer of the list that the node runs with; this node itself is one.
func (n *node) RestartPeer(ctx context.Context, by store.Author, address string) error {
	st := n.Clustering()
	if st.Mode != clustering.Clustered {
		return errStandalone
	}
	p, err := peerAt(st, address)
	if err != nil {
		return err
	}
	n.log.Event("Cluster Restart", "Detail", "asked for here", "Peer", p.Address, "User", by.User, "Src", by.From)
	switch {
	case st.Own == p.Index:
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

// peerAt returns the line of an entry. The list that is configured may be another than the one that the node knows of now.
func peerAt(st clustering.Status, address string) (clustering.Peer, error) {
	i := slices.IndexFunc(st.Peers, func(p clustering.Peer) bool { return strings.EqualFold(p.Address, address) })
	if i < 0 {
		return clustering.Peer{}, fmt.Errorf("%s is not among the peers that this node knows of: see `turnpike cluster status`, and try again", address)
	}
	return st.Peers[i], nil
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
