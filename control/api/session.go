package api

import (
	"context"
	"errors"
	"time"

	"turnpike.dev/turnpike/control/accounts"
)

// Session is a log-in: a token, which is shown once, and how long it is good.
type Session struct {
	Name  string `json:"name"`
	Role  Role   `json:"role"`
	From  string `json:"from"`
	Token string `json:"token,omitempty"`
	// Until is when the token ends; none where no token is.
	Until *time.Time `json:"until,omitempty"`
}

// ErrNoPassword means that a token was asked for without a password.
var ErrNoPassword = errors.New("a token is given for a password over HTTPS only: send name and password (Basic)")

func (s *Server) addSessions() {
	const area = "Log-in"
	answer(s, operation{id: "show-session", route: "GET /v1/session", role: RoleRead, area: area, text: "Who asks, and with which role."}, showSession)
	answer(s, operation{id: "log-in", route: "POST /v1/session", role: RoleRead, area: area, text: "A token for the account whose name and password were sent.", quiet: true}, logIn)
	act(s, operation{id: "log-out", route: "DELETE /v1/session", role: RoleRead, area: area, text: "Ends the token that was sent.", quiet: true}, logOut)
}

func showSession(ctx context.Context, _ *none) (Session, error) {
	c := callerOf(ctx)
	s := Session{Name: c.Name, Role: c.Role, From: c.From}
	if c.token != "" {
		s.Until = &c.until
	}
	return s, nil
}

// logIn gives a token for a password only: one for a token would make it last for ever.
func logIn(ctx context.Context, _ *none) (Session, error) {
	c := callerOf(ctx)
	if c.account == (accounts.Account{}) {
		return Session{}, refused(ErrNoPassword)
	}
	token, until := c.guard.Issue(c.account)
	return Session{Name: c.Name, Role: c.Role, From: c.From, Token: token, Until: &until}, nil
}

func logOut(ctx context.Context, _ *none) error {
	if c := callerOf(ctx); c.token != "" {
		c.guard.End(c.token)
	}
	return nil
}
