package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/preflight"
)

var _ api.Cluster = (*node)(nil)

// errStandalone refuses what needs peers.
var errStandalone = errors.New("this node runs standalone: form a cluster with `turnpike cluster join`, and restart")

// RestartPeer restarts a peer of the list; this node itself is one.
func (n *node) RestartPeer(_ context.Context, by store.Author, place int) error {
	st := n.Clustering()
	if st.Mode != clustering.Clustered {
		return errStandalone
	}
	n.log.Event("Cluster Restart", "Peer", st.Peers[place-1].Address, "User", by.User, "Src", by.From)
	if st.Own == place {
		n.Restart()
		return nil
	}
	return fmt.Errorf("%s cannot be restarted from here", st.Peers[place-1].Address)
}

// TrustPeer drops the pinned key of an entry.
func (n *node) TrustPeer(string) error { return errStandalone }

// ForceUpdate takes the primary's configuration whatever there is here (CL-15).
func (n *node) ForceUpdate(context.Context) error { return errStandalone }

// PreflightPeers asks the other peers of a list.
func (n *node) PreflightPeers(context.Context, []string) ([]preflight.Finding, error) {
	return []preflight.Finding{}, nil
}

// ChangeMapping adds a pair to the address mapping or takes one out.
func (n *node) ChangeMapping(_ context.Context, by store.Author, remove bool, m clustering.Mapping) error {
	_, err := n.store.Propose(store.Proposal{Author: by, Operations: clustering.ChangeMapping(remove, m)})
	return err
}

// SuggestMapping proposes pairs from what the peers say of themselves.
func (n *node) SuggestMapping() []clustering.Mapping {
	return clustering.SuggestMappings(n.running(), n.Clustering())
}

// ClusterDNS asks the name servers of the configuration, or the machine's.
func (n *node) ClusterDNS() clustering.Resolver {
	servers := n.running().DNS.Servers
	if len(servers) == 0 {
		return &net.Resolver{PreferGo: true}
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialFirst(ctx, network, servers)
	}}
}

// dialFirst dials the first name server that can be dialled.
func dialFirst(ctx context.Context, network string, servers []netip.Addr) (c net.Conn, err error) {
	var why []string
	for _, s := range servers {
		c, err = new(net.Dialer).DialContext(ctx, network, netip.AddrPortFrom(s, 53).String())
		if err == nil {
			return c, nil
		}
		why = append(why, err.Error())
	}
	return nil, fmt.Errorf("no name server answers: %s", strings.Join(why, "; "))
}
