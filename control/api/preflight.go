package api

import (
	"context"

	"turnpike.dev/turnpike/control/preflight"
)

// Preflight looks whether the node may join a cluster.
type Preflight interface {
	Preflight() ([]preflight.Finding, error)
}

// Examine adds the operation of the pre-flight.
func (s *Server) Examine(p Preflight) *Server {
	answer(s, operation{id: "preflight", route: "GET /v1/cluster/preflight", role: RoleRead, area: "Cluster", text: "What the node lacks for a cluster."},
		func(context.Context, *none) ([]preflight.Finding, error) { return p.Preflight() })
	return s
}

// Preflight asks what the node lacks for a cluster.
func (c *Client) Preflight(ctx context.Context) ([]preflight.Finding, error) {
	return ask[[]preflight.Finding](ctx, c, "GET", "/v1/cluster/preflight")
}
