package api

import (
	"context"
	"net/url"

	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/preflight"
)

// Cluster asks how the cluster is.
func (c *Client) Cluster(ctx context.Context) (clustering.Status, error) {
	return ask[clustering.Status](ctx, c, "GET", "/v1/cluster")
}

// JoinCluster gives the node its place in a cluster.
func (c *Client) JoinCluster(ctx context.Context, j JoinCluster) (Changed, error) {
	return tell[Changed](ctx, c, "POST", "/v1/cluster/join", j)
}

// LeaveCluster clears the list of peers of the node of that name.
func (c *Client) LeaveCluster(ctx context.Context, name string) (Changed, error) {
	return tell[Changed](ctx, c, "POST", "/v1/cluster/leave", Confirmation{name})
}

// SetPrimary names the primary on the node.
func (c *Client) SetPrimary(ctx context.Context, peer string) (Changed, error) {
	return tell[Changed](ctx, c, "PUT", "/v1/cluster/primary", NamedPeer{peer})
}

// SetClusterTLS sets the TLS mode of the cluster.
func (c *Client) SetClusterTLS(ctx context.Context, m TLSMode) (Changed, error) {
	return tell[Changed](ctx, c, "PUT", "/v1/cluster/tls", m)
}

// AddPeer adds a peer to the node's list.
func (c *Client) AddPeer(ctx context.Context, address string) (Changed, error) {
	return tell[Changed](ctx, c, "POST", "/v1/cluster/peers", PeerAddress{address})
}

// ReplacePeer gives a peer of the node's list another address.
func (c *Client) ReplacePeer(ctx context.Context, peer, address string) (Changed, error) {
	return tell[Changed](ctx, c, "PUT", "/v1/cluster/peers/"+url.PathEscape(peer), PeerAddress{address})
}

// RemovePeer takes a peer out of the node's list.
func (c *Client) RemovePeer(ctx context.Context, peer string) (Changed, error) {
	return ask[Changed](ctx, c, "DELETE", "/v1/cluster/peers/"+url.PathEscape(peer))
}

// RestartPeer restarts a peer.
func (c *Client) RestartPeer(ctx context.Context, peer string) error {
	_, err := ask[struct{}](ctx, c, "POST", "/v1/cluster/peers/"+url.PathEscape(peer)+"/restart")
	return err
}

// TrustPeer drops the pinned key of a peer.
func (c *Client) TrustPeer(ctx context.Context, peer string) error {
	_, err := ask[struct{}](ctx, c, "POST", "/v1/cluster/peers/"+url.PathEscape(peer)+"/trust")
	return err
}

// ForceUpdate takes the primary's configuration in the place of the node's.
func (c *Client) ForceUpdate(ctx context.Context) error {
	_, err := ask[struct{}](ctx, c, "POST", "/v1/cluster/force-update")
	return err
}

// ClusterDNS asks what DNS should have and what it has.
func (c *Client) ClusterDNS(ctx context.Context) (clustering.DNS, error) {
	return ask[clustering.DNS](ctx, c, "GET", "/v1/cluster/dns")
}

// PreflightPeers asks what is missing between the node and the other peers.
func (c *Client) PreflightPeers(ctx context.Context, peers []string) ([]preflight.Finding, error) {
	path := "/v1/cluster/preflight/peers"
	if len(peers) > 0 {
		path += "?" + url.Values{"peers": peers}.Encode()
	}
	return ask[[]preflight.Finding](ctx, c, "GET", path)
}

// Mappings asks for the address mapping.
func (c *Client) Mappings(ctx context.Context) (Mappings, error) {
	return ask[Mappings](ctx, c, "GET", "/v1/cluster/mapping")
}

// AddMapping adds a pair to the address mapping.
func (c *Client) AddMapping(ctx context.Context, m clustering.Mapping) error {
	_, err := tell[struct{}](ctx, c, "POST", "/v1/cluster/mapping", m)
	return err
}

// RemoveMapping takes the pair of a name out of the address mapping.
func (c *Client) RemoveMapping(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/cluster/mapping/"+url.PathEscape(name))
	return err
}
