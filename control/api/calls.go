package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/registrations"
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
	// RemoveRegistration ends the registration of a number or serial; by is who wants it.
	RemoveRegistration(name, by string) error
}

// ErrSecrets means that somebody else than root asked for passwords and keys.
var ErrSecrets = errors.New("passwords and keys are shown to root only")

// Carry adds the routes of calls and registrations.
func (s *Server) Carry(c Carrier) *Server {
	s.mux.HandleFunc("GET /v1/calls", func(w http.ResponseWriter, r *http.Request) {
		reply(w, c.Calls(r.URL.Query().Get("ended") == "1"))
	})
	s.mux.HandleFunc("GET /v1/calls/{name}", func(w http.ResponseWriter, r *http.Request) {
		found, err := c.Call(r.PathValue("name"))
		replyOr(w, found, err)
	})
	s.mux.HandleFunc("GET /v1/calls/{name}/ladder", func(w http.ResponseWriter, r *http.Request) {
		secrets := r.URL.Query().Get("secrets") == "1"
		if secrets && !isRoot(r.Context()) {
			refuse(w, fmt.Errorf("%w: %w", ErrRefused, ErrSecrets))
			return
		}
		found, err := c.Ladder(r.PathValue("name"), secrets)
		replyOr(w, found, err)
	})
	s.mux.HandleFunc("DELETE /v1/calls/{name}", func(w http.ResponseWriter, r *http.Request) {
		doneOr(w, c.Disconnect(r.PathValue("name"), author(r.Context()).User))
	})
	s.mux.HandleFunc("GET /v1/registrations", func(w http.ResponseWriter, r *http.Request) {
		found, err := c.Registrations(r.URL.Query().Get("name"))
		replyOr(w, found, err)
	})
	s.mux.HandleFunc("DELETE /v1/registrations/{name}", func(w http.ResponseWriter, r *http.Request) {
		doneOr(w, c.RemoveRegistration(r.PathValue("name"), author(r.Context()).User))
	})
	return s
}

// replyOr answers with body, or with err if there is one.
func replyOr(w http.ResponseWriter, body any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, body)
}

// doneOr answers that it is done, or with err if there is one.
func doneOr(w http.ResponseWriter, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// isRoot reports whether root is at the other end of the socket.
func isRoot(ctx context.Context) bool {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	return ok && uid == 0
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

// RemoveRegistration ends a registration by number or serial.
func (c *Client) RemoveRegistration(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "DELETE", "/v1/registrations/"+url.PathEscape(name))
	return err
}
