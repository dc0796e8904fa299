package api

import (
	"context"
	"errors"
	"fmt"

	"turnpike.dev/turnpike/control/routing"
)

// Router says where calls go.
type Router interface {
	Locate(routing.Question) (routing.Answer, error)
	Zones() []routing.ZoneSummary
}

// ErrWrongQuestion means that a question cannot be meant.
var ErrWrongQuestion = errors.New("wrong question")

func (s *Server) addRouting() {
	answer(s, operation{id: "locate", route: "POST /v1/locate", role: RoleRead, area: "Routing", text: "Where a call would go, and why.", quiet: true},
		func(_ context.Context, in *bodyOf[routing.Question]) (routing.Answer, error) {
			answer, err := s.node.Locate(in.Body)
			if err != nil {
				return answer, fmt.Errorf("%w: %w", ErrWrongQuestion, err)
			}
			return answer, nil
		})
	tellAll(s, operation{id: "list-zones", route: "GET /v1/zones", role: RoleRead, area: "Routing", text: "The zones."}, s.node.Zones)
}

// Locate asks where a call would go, and why.
func (c *Client) Locate(ctx context.Context, q routing.Question) (routing.Answer, error) {
	return tell[routing.Answer](ctx, c, "POST", "/v1/locate", q)
}

// Zones lists the zones.
func (c *Client) Zones(ctx context.Context) ([]routing.ZoneSummary, error) {
	return ask[[]routing.ZoneSummary](ctx, c, "GET", "/v1/zones")
}
