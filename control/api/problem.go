package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/clustering"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/dataplane/capture"
)

// problemType is the content type of an answer that is not 2xx (RFC 9457).
const problemType = "application/problem+json"

// Problem is the body of an answer that is not 2xx (RFC 9457).
type Problem struct {
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"` // what is wrong, and what to do
	Errors []Fault `json:"errors,omitempty"`
}

// Fault is one thing that is wrong.
type Fault struct {
	// Location is the path of a configuration item, or where in the request: "body.alias".
	Location string `json:"location,omitempty"`
	Line     int    `json:"line,omitempty"` // in a document
	Message  string `json:"message"`
	Advice   string `json:"advice,omitempty"` // what to write instead
}

// Error says what is wrong.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

func problem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf makes an error of the node an answer.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	p = problem(statusOf(err), err.Error())
	p.Errors = faultsOf(err)
	return p
}

// statusOf says whose fault an error is.
func statusOf(err error) int {
	var problems config.Problems
	switch {
	case isUsage(err):
		return http.StatusBadRequest
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrElsewhere), errors.Is(err, ErrBusy):
		return http.StatusConflict
	case errors.As(err, &problems):
		return http.StatusUnprocessableEntity
	}
	for _, asked := range []error{
		ErrInvalid, ErrRefused, ErrWrongQuestion, config.ErrPath, store.ErrEmpty, store.ErrNoRevision, clustering.ErrStep,
		alarms.ErrNoAlarm, capture.ErrOptions, ErrOptionKey, calls.ErrNoCall, registrations.ErrUnknown, // the text says where to look
	} {
		if errors.Is(err, asked) {
			return http.StatusUnprocessableEntity
		}
	}
	return http.StatusInternalServerError
}

// faultsOf lists what is wrong with a configuration, item by item.
func faultsOf(err error) []Fault {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return nil
	}
	faults := make([]Fault, 0, min(len(problems), maxFaults))
	for _, p := range problems[:min(len(problems), maxFaults)] {
		faults = append(faults, Fault{Location: p.Path, Line: p.Line, Message: p.Text, Advice: p.Advice})
	}
	return faults
}

// maxFaults bounds what is listed: the first tell enough.
const maxFaults = 100

// plainProblems turns what huma says about a wrong request into ours: without the values,
// which may be passwords.
func plainProblems(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(e.Status, e.Detail)
	for _, d := range e.Errors[:min(len(e.Errors), maxFaults)] {
		if d != nil {
			p.Errors = append(p.Errors, Fault{Location: d.Location, Message: d.Message})
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = fmt.Sprintf("the request is wrong: %s: %s", p.Errors[0].Location, p.Errors[0].Message)
	}
	return p, nil
}

func forbidden(who Caller, needed Role) *Problem {
	return problem(http.StatusForbidden, fmt.Sprintf("%s has the role %s, and this needs %s: use another account, or have admin.accounts changed", who.Name, orNothing(who.Role), needed))
}

func orNothing(r Role) string {
	if r == "" {
		return "of nobody"
	}
	return string(r)
}

// refuse writes an error as the answer.
func refuse(w http.ResponseWriter, err error) {
	p := problemOf(err)
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the asker went away
}

// survived answers 500 where an operation panics, and tells it: the node goes on.
func (s *Server) survived(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(what)
			}
			if s.log != nil {
				s.log.Event("API Failure", "Detail", what, "Method", r.Method, "Path", r.URL.Path, "Stack", string(debug.Stack()))
			}
			refuse(w, problem(http.StatusInternalServerError, "this is a mistake in turnpike: please report it with the record \"API Failure\" of the event log"))
		}()
		next.ServeHTTP(w, r)
	})
}

// readProblem reads what an answer says is wrong.
func readProblem(resp *http.Response) (*Problem, bool) {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), problemType) {
		return nil, false
	}
	var p Problem
	err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxProblem)).Decode(&p)
	return &p, err == nil && p.Detail != ""
}

// maxProblem bounds an answer that is not 2xx.
const maxProblem = 1 << 20
