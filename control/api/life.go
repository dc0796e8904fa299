package api

import (
	"context"
	"fmt"
	"net/http"
)

// Life is how a node begins anew.
type Life interface {
	// Restart ends the process and starts it again in its place; media goes on.
	Restart()
	// FactoryReset restarts and removes the configuration (CL-14). name is the node's, so
	// that nobody resets another one by mistake.
	FactoryReset(name string) error
}

// Confirmation names the node that is meant.
type Confirmation struct {
	Name string `json:"name"`
}

// Live adds the routes of restart and reset.
func (s *Server) Live(l Life) *Server {
	s.mux.HandleFunc("POST /v1/restart", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		l.Restart()
	})
	s.mux.HandleFunc("POST /v1/factory-reset", func(w http.ResponseWriter, r *http.Request) {
		in, err := read[Confirmation](r)
		if err == nil {
			err = l.FactoryReset(in.Name)
		}
		if err != nil {
			refuse(w, fmt.Errorf("%w: %w", ErrRefused, err))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return s
}

// Restart asks the node to begin anew.
func (c *Client) Restart(ctx context.Context) error {
	_, err := ask[struct{}](ctx, c, "POST", "/v1/restart")
	return err
}

// FactoryReset asks the node of that name to remove its configuration.
func (c *Client) FactoryReset(ctx context.Context, name string) error {
	_, err := tell[struct{}](ctx, c, "POST", "/v1/factory-reset", Confirmation{name})
	return err
}
