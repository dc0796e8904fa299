package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/registrations/peers"
)

// Carrier lists calls and registrations, and ends them.
type Carrier interface {
	// Calls lists the calls that run, or those that ended lately.
	Calls(ended bool) []calls.Call
	// Call returns the call of a number or serial, running or ended.
	Call(name string) (calls.Call, error)
	// Ladder returns its messages, with passwords and keys if secrets is set.
	Ladder(name string, secrets bool) (calls.Ladder, error)
	// Disconnect ends a running call; by is who wants it.
	Disconnect(name, by string) error

	// Registrations lists those of a name, or all of them for the empty name.
	Registrations(name string) ([]*registrations.Binding, error)
	// ClusterRegistrations lists them of all peers of the cluster.
	ClusterRegistrations(name string) ([]peers.Registration, error)
	// RemoveRegistration ends the registration of a number or serial; by is who wants it.
	RemoveRegistration(name, by string) error
}

// ErrSecrets means that somebody else than root asked for passwords and keys.
var ErrSecrets = errors.New("passwords and keys are shown to root only")

type (
	endedCalls struct {
		Ended bool `query:"ended" doc:"Those that ended lately, not those that run."`
	}
	named struct {
		Name string `path:"name" maxLength:"256" doc:"Its number in the list, or its serial."`
	}
	ladderOf struct {
		Name    string `path:"name" maxLength:"256" doc:"Its number in the list, or its serial."`
		Secrets bool   `query:"secrets" doc:"With passwords and keys: for root at the socket only."`
	}
	byAlias struct {
		Name string `query:"name" maxLength:"512" doc:"Only those of this name."`
	}
)

// Carry adds the operations of calls and registrations.
func (s *Server) Carry(c Carrier) *Server {
	answer(s, operation{id: "list-calls", route: "GET /v1/calls", role: RoleRead, area: "Calls", text: "The calls that run, or those that ended lately."},
		func(_ context.Context, in *endedCalls) ([]calls.Call, error) { return c.Calls(in.Ended), nil })
	answer(s, operation{id: "show-call", route: "GET /v1/calls/{name}", role: RoleRead, area: "Calls", text: "One call, running or ended."},
		func(_ context.Context, in *named) (calls.Call, error) { return c.Call(in.Name) })
	answer(s, operation{id: "show-ladder", route: "GET /v1/calls/{name}/ladder", role: RoleRead, area: "Calls", text: "The messages of a call."},
		func(ctx context.Context, in *ladderOf) (calls.Ladder, error) {
			if in.Secrets && !isRoot(ctx) {
				return calls.Ladder{}, fmt.Errorf("%w: %w", ErrRefused, ErrSecrets)
			}
			return c.Ladder(in.Name, in.Secrets)
		})
	act(s, operation{id: "end-call", route: "DELETE /v1/calls/{name}", role: RoleOperate, area: "Calls", text: "Ends a call."},
		func(ctx context.Context, in *named) error { return c.Disconnect(in.Name, author(ctx).User) })
	answer(s, operation{id: "list-registrations", route: "GET /v1/registrations", role: RoleRead, area: "Registrations", text: "Who is registered."},
		func(_ context.Context, in *byAlias) ([]*registrations.Binding, error) {
			return c.Registrations(in.Name)
		})
	answer(s, operation{id: "list-cluster-registrations", route: "GET /v1/cluster/registrations", role: RoleRead, area: "Registrations", text: "Who is registered on any peer of the cluster."},
		func(_ context.Context, in *byAlias) ([]peers.Registration, error) {
			return c.ClusterRegistrations(in.Name)
		})
	act(s, operation{id: "end-registration", route: "DELETE /v1/registrations/{name}", role: RoleOperate, area: "Registrations", text: "Ends a registration."},
		func(ctx context.Context, in *named) error { return c.RemoveRegistration(in.Name, author(ctx).User) })
	return s
}

// Calls lists the calls that run, or those that ended lately.
func (c *Client) Calls(ctx context.Context, ended bool) ([]calls.Call, error) {
	if ended {
		return ask[[]calls.Call](ctx, c, "GET", "/v1/calls?ended=1")
	}
	return ask[[]calls.Call](ctx, c, "GET", "/v1/calls")
}

// Call asks for one call by number or serial.
func (c *Client) Call(ctx context.Context, name string) (calls.Call, error) {
	return ask[calls.Call](ctx, c, "GET", "/v1/calls/"+url.PathEscape(name))
}

// Ladder asks for the messages of a call; secrets is for root only.
func (c *Client) Ladder(ctx context.Context, name string, secrets bool) (calls.Ladder, error) {
	path := "/v1/calls/" + url.PathEscape(name) + "/ladder"
	if secrets {
		path += "?secrets=1"
	}
	return ask[calls.Ladder](ctx, c, "GET", path)
}

// Disconnect ends a call.
func (c *Client) Disconnect(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/calls/"+url.PathEscape(name))
	return err
}

// Registrations lists the registrations of a name, or all of them for the empty name.
func (c *Client) Registrations(ctx context.Context, name string) ([]*registrations.Binding, error) {
	return ask[[]*registrations.Binding](ctx, c, "GET", "/v1/registrations?name="+url.QueryEscape(name))
}

// ClusterRegistrations lists the registrations of a name on all peers, or all of them for
// the empty name.
func (c *Client) ClusterRegistrations(ctx context.Context, name string) ([]peers.Registration, error) {
	return ask[[]peers.Registration](ctx, c, "GET", "/v1/cluster/registrations?name="+url.QueryEscape(name))
}

// RemoveRegistration ends a registration by number or serial.
func (c *Client) RemoveRegistration(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/registrations/"+url.PathEscape(name))
	return err
}
