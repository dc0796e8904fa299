package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

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

// maxLine bounds a request with one line.
const maxLine = 64 << 10

// Speak adds the route of the second command language.
func (s *Server) Speak(sh Shell) *Server {
	s.mux.HandleFunc("POST /v1/x", func(w http.ResponseWriter, r *http.Request) {
		var in line
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLine)).Decode(&in); err != nil {
			refuse(w, fmt.Errorf("%w: %w", ErrInvalid, err))
			return
		}
		answer, err := sh.Run(r.Context(), in.Line, author(r.Context()))
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, answer)
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
