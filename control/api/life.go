package api

import (
	"context"
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

// Live adds the operations of restart and reset.
func (s *Server) Live(l Life) *Server {
	act(s, operation{id: "restart", route: "POST /v1/restart", role: RoleAdmin, area: "Node", text: "Starts the node anew in its place; media goes on."},
		func(context.Context, *none) error { l.Restart(); return nil })
	act(s, operation{id: "factory-reset", route: "POST /v1/factory-reset", role: RoleAdmin, area: "Node", text: "Removes the configuration, certificates and keys, and restarts."},
		func(_ context.Context, in *bodyOf[Confirmation]) error { return refused(l.FactoryReset(in.Body.Name)) })
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
