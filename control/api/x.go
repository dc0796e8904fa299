package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"turnpike.dev/turnpike/control/cli"
)

// Shell runs lines of xConfiguration, xStatus and xCommand.
type Shell interface {
	// Needs says what a line needs its caller to be allowed to do.
	Needs(line string) cli.Right
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
	answer(s, operation{id: "x", route: "POST /v1/x", role: RoleRead, area: "Configuration", text: "Runs a line of xConfiguration, xStatus or xCommand. What a line needs of its caller is its own: xConfiguration that sets and most commands need admin.", quiet: true},
		func(ctx context.Context, in *bodyOf[line]) (cli.Answer, error) {
			needed := roleFor(sh.Needs(in.Body.Line))
			if who := callerOf(ctx); !who.Role.May(needed) {
				err := forbidden(who, needed)
				s.recordLine(ctx, in.Body.Line, err)
				return cli.Answer{}, err
			}
			answer, err := sh.Run(ctx, in.Body.Line, author(ctx))
			if needed != RoleRead {
				s.recordLine(ctx, in.Body.Line, err)
			}
			return answer, err
		})
	return s
}

// recordLine writes to the event log who ran a line, and its first words: what follows may
// be a password.
func (s *Server) recordLine(ctx context.Context, line string, err error) {
	if s.log == nil {
		return
	}
	words := strings.Fields(line)
	what, _, _ := strings.Cut(strings.Join(words[:min(len(words), 2)], " "), ":")
	status := http.StatusOK
	if err != nil {
		status = problemOf(err).Status
	}
	who := callerOf(ctx)
	s.log.Event("API Operation", "Detail", "x", "User", who.Name, "Src", who.From, "Line", what, "Status", status)
}

// roleFor returns the role that a line needs. What nobody has thought of needs admin.
func roleFor(r cli.Right) Role {
	switch r {
	case cli.Look:
		return RoleRead
	case cli.Operate:
		return RoleOperate
	}
	return RoleAdmin
}

// X runs a line of xConfiguration, xStatus or xCommand. An error that is a Misuse is
// about how the line is written.
func (c *Client) X(ctx context.Context, text string) (cli.Answer, error) {
	return tell[cli.Answer](ctx, c, "POST", "/v1/x", line{text})
}

// isUsage reports whether an error is about how a line was written.
func isUsage(err error) bool { return errors.Is(err, cli.ErrUsage) }
