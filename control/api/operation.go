package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// operation declares what can be asked of a node: one line of the table of operations.
type operation struct {
	id    string // names it in the description and in the event log: "end-relay"
	route string // "DELETE /v1/relays/{id}"
	role  Role   // that may ask for it
	root  bool   // root of the machine at the socket alone may (OP-05)
	area  string // heading in the description
	text  string // what it does, as a sentence
	body  int64  // most bytes of a request; 0: maxQuestion
	quiet bool   // changes nothing, though it is not a GET: not recorded
}

// maxQuestion bounds the body of a request that does not say more.
const maxQuestion = 64 << 10

// none is the input of an operation that needs nothing but its route.
type none struct{}

// bodyOf is an answer that is one value, or a request that has one.
type bodyOf[T any] struct{ Body T }

// answer adds an operation that answers with a value. Fields of I with the tags path,
// query or header are taken from the request, a field Body from its body. (Fields of
// structs embedded in I are found only when the type is exported.)
func answer[I, T any](s *Server, o operation, do func(context.Context, *I) (T, error)) {
	register(s, o, func(ctx context.Context, in *I) (*bodyOf[T], error) {
		out, err := do(ctx, in)
		return &bodyOf[T]{out}, err
	})
}

// tellAll adds an operation that needs nothing and cannot fail.
func tellAll[T any](s *Server, o operation, do func() T) {
	answer(s, o, func(context.Context, *none) (T, error) { return do(), nil })
}

// act adds an operation that answers with nothing but success (204).
func act[I any](s *Server, o operation, do func(context.Context, *I) error) {
	register(s, o, func(ctx context.Context, in *I) (*none, error) { return nil, do(ctx, in) })
}

// stream adds an operation that writes its answer itself, for as long as it likes.
func stream[I any](s *Server, o operation, content string, do func(http.ResponseWriter, *http.Request, *I)) {
	h := s.declare(o)
	h.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{content: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(s.huma, h, func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			do(w, r.WithContext(c.Context()), in)
		}}, nil
	})
}

// register adds an operation whose answer has headers or a status of its own.
func register[I, O any](s *Server, o operation, do func(context.Context, *I) (*O, error)) {
	huma.Register(s.huma, s.declare(o), func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, problemOf(err)
		}
		return out, nil
	})
}

// declare makes an operation of ours one of huma's, and keeps it in the table.
func (s *Server) declare(o operation) huma.Operation {
	method, path, ok := strings.Cut(o.route, " ")
	if !ok || !o.role.May(RoleRead) || o.id == "" || o.text == "" || o.area == "" {
		panic("api: the operation " + o.id + " of " + o.route + " is not declared whole") // a mistake in this package
	}
	if o.body == 0 {
		o.body = maxQuestion
	}
	s.operations = append(s.operations, o)
	return huma.Operation{
		OperationID: o.id, Method: method, Path: path, Summary: o.text, Tags: []string{o.area},
		MaxBodyBytes: o.body, BodyReadTimeout: -1, // the server has one for all of a request
		RejectUnknownQueryParameters: true,
		Middlewares:                  huma.Middlewares{s.admit(o)},
		Responses:                    map[string]*huma.Response{"default": s.refusals()},
		Extensions:                   map[string]any{"x-role": string(o.role)},
	}
}

// changes reports whether an operation may change anything.
func (o operation) changes() bool {
	return !o.quiet && !strings.HasPrefix(o.route, http.MethodGet+" ")
}

// admit lets those ask who may, and records what was asked for.
func (s *Server) admit(o operation) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		who := callerOf(c.Context())
		if o.root && !who.root {
			s.record(o, c, who, http.StatusForbidden)
			_, w := humago.Unwrap(c)
			refuse(w, problem(http.StatusForbidden, "only root of the machine may do this, at the node's socket: run the command there with sudo"))
			return
		}
		if !who.Role.May(o.role) {
			s.record(o, c, who, http.StatusForbidden)
			_, w := humago.Unwrap(c)
			refuse(w, forbidden(who, o.role))
			return
		}
		next(c)
		s.record(o, c, who, c.Status())
	}
}

// record writes to the event log who asked for a change, and what became of it.
func (s *Server) record(o operation, c huma.Context, who Caller, status int) {
	if s.log == nil || !o.changes() {
		return
	}
	url := c.URL()
	s.log.Event("API Operation", "Detail", o.id, "User", who.Name, "Src", who.From, "Method", c.Method(), "Path", url.Path, "Status", status)
}

// refusals describes every answer that is not 2xx.
func (s *Server) refusals() *huma.Response {
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "What is wrong, and what to do", Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
}
