package api

import (
	"context"

	"turnpike.dev/turnpike/control/clustering"
)

// Cluster is a node's part in a cluster, as an operator sees and moves it.
type Cluster interface {
	// Clustering says how the cluster is, as this node sees it; a standalone node says so.
	Clustering() clustering.Status
}

// Join adds the operations of the cluster.
func (s *Server) Join(c Cluster) *Server {
	answer(s, operation{id: "show-cluster", route: "GET /v1/cluster", role: RoleRead, area: "Cluster", text: "How the cluster is, as this node sees it."},
		func(context.Context, *none) (clustering.Status, error) { return c.Clustering(), nil })
	return s
}

// Cluster asks how the cluster is.
func (c *Client) Cluster(ctx context.Context) (clustering.Status, error) {
	return ask[clustering.Status](ctx, c, "GET", "/v1/cluster")
}
