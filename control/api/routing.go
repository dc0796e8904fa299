package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"turnpike.dev/turnpike/control/routing"
)

// Router says where calls go.
type Router interface {
	Locate(routing.Question) (routing.Answer, error)
	Zones() []routing.ZoneSummary
}

// ErrWrongQuestion means that a question cannot be meant.
var ErrWrongQuestion = errors.New("wrong question")

// maxQuestion bounds the body of a request.
const maxQuestion = 64 << 10

func (s *Server) locate(w http.ResponseWriter, r *http.Request) {
	var q routing.Question
	d := json.NewDecoder(io.LimitReader(r.Body, maxQuestion))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrWrongQuestion, err))
		return
	}
	answer, err := s.node.Locate(q)
	if err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrWrongQuestion, err))
		return
	}
	reply(w, answer)
}

func (s *Server) zones(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Zones()) }

// Locate asks where a call would go, and why.
func (c *Client) Locate(ctx context.Context, q routing.Question) (routing.Answer, error) {
	return tell[routing.Answer](ctx, c, "POST", "/v1/locate", q)
}

// Zones lists the zones.
func (c *Client) Zones(ctx context.Context) ([]routing.ZoneSummary, error) {
	return ask[[]routing.ZoneSummary](ctx, c, "GET", "/v1/zones")
}
