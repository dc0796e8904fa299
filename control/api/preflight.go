package api

import (
	"context"
	"net/http"

	"turnpike.dev/turnpike/control/preflight"
)

// Preflight looks whether the node may join a cluster.
type Preflight interface {
	Preflight() ([]preflight.Finding, error)
}

// Examine adds the route of the pre-flight.
func (s *Server) Examine(p Preflight) *Server {
	s.mux.HandleFunc("GET /v1/cluster/preflight", func(w http.ResponseWriter, _ *http.Request) {
		missing, err := p.Preflight()
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, missing)
	})
	return s
}

// Preflight asks what the node lacks for a cluster.
func (c *Client) Preflight(ctx context.Context) ([]preflight.Finding, error) {
	return ask[[]preflight.Finding](ctx, c, "GET", "/v1/cluster/preflight")
}
