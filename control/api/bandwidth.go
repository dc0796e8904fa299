package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"turnpike.dev/turnpike/control/occupancy"
)

// Bandwidth says what calls use of subzones, zones, links and pipes, and what another
// would get.
type Bandwidth interface {
	Bandwidth() occupancy.Report
	CheckBandwidth(occupancy.Question) (occupancy.Answer, error)
}

// kindOf narrows a report down. There may be some thousand objects.
type kindOf struct {
	Kind string `query:"kind" enum:"subzone,zone,link,pipe" doc:"Only objects of this kind."`
}

// Measure adds the operations of bandwidth.
func (s *Server) Measure(b Bandwidth) *Server {
	answer(s, operation{id: "show-bandwidth", route: "GET /v1/bandwidth", role: RoleRead, area: "Bandwidth", text: "What calls use of subzones, zones, links and pipes."},
		func(_ context.Context, in *kindOf) (occupancy.Report, error) {
			r := b.Bandwidth()
			if in.Kind != "" {
				r.Objects = slices.DeleteFunc(r.Objects, func(o occupancy.Object) bool { return o.Kind != in.Kind })
			}
			return r, nil
		})
	answer(s, operation{id: "check-bandwidth", route: "POST /v1/bandwidth/check", role: RoleRead, area: "Bandwidth", text: "What a call would get, and by which way.", quiet: true},
		func(_ context.Context, in *bodyOf[occupancy.Question]) (occupancy.Answer, error) {
			a, err := b.CheckBandwidth(in.Body)
			if err != nil {
				return a, fmt.Errorf("%w: %w", ErrWrongQuestion, err)
			}
			return a, nil
		})
	return s
}

// Bandwidth asks what is used of objects of a kind, or of all for the empty kind.
func (c *Client) Bandwidth(ctx context.Context, kind string) (occupancy.Report, error) {
	if kind == "" {
		return ask[occupancy.Report](ctx, c, "GET", "/v1/bandwidth")
	}
	return ask[occupancy.Report](ctx, c, "GET", "/v1/bandwidth?kind="+url.QueryEscape(kind))
}

// CheckBandwidth asks what a call would get.
func (c *Client) CheckBandwidth(ctx context.Context, q occupancy.Question) (occupancy.Answer, error) {
	return tell[occupancy.Answer](ctx, c, "POST", "/v1/bandwidth/check", q)
}
