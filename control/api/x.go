package api

import (
	"context"
	"errors"

	"turnpike.dev/turnpike/control/cli"
)

// Shell runs lines of xConfiguration, xStatus and xCommand.
type Shell interface {
	Run(ctx context.Context, line string, caller cli.Caller) (cli.Answer, error)
}

// Misuse is a line that cannot be meant; it was not run.
type Misuse struct{ Text string }

// Error says what is wrong with the line.
func (m *Misuse) Error() string { return m.Text }

// line is a request.
type line struct {
	Line string `json:"line"`
}

// Speak adds the operation of the second command language.
func (s *Server) Speak(sh Shell) *Server {
	answer(s, operation{id: "x", route: "POST /v1/x", role: RoleAdmin, area: "Configuration", text: "Runs a line of xConfiguration, xStatus or xCommand."},
		func(ctx context.Context, in *bodyOf[line]) (cli.Answer, error) {
			return sh.Run(ctx, in.Body.Line, author(ctx))
		})
	return s
}

// X runs a line of xConfiguration, xStatus or xCommand. An error that is a Misuse is
// about how the line is written.
func (c *Client) X(ctx context.Context, text string) (cli.Answer, error) {
	return tell[cli.Answer](ctx, c, "POST", "/v1/x", line{text})
}

// isUsage reports whether an error is about how a line was written.
func isUsage(err error) bool { return errors.Is(err, cli.ErrUsage) }
