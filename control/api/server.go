// Package api is how a node is asked and told: HTTP and JSON over a unix socket in
// its state directory, for the commands of turnpike and whoever scripts them, and over
// HTTPS for accounts of the configuration where an operator switches that on.
//
// It exists so that there is one table of what can be asked, with the role that each
// operation needs, whoever asks and from where: at the socket the file's mode and the
// peer's credentials decide, root or the node's own user; over HTTPS an account's role.
// What it needs of the node are the small interfaces in Node; it keeps no configuration.
//
// To add an operation, declare it where its area's other operations are:
//
//	answer(s, operation{id: "list-pipes", route: "GET /v1/pipes", role: RoleRead, area: "Bandwidth",
//		text: "The pipes and their use."}, func(ctx context.Context, in *none) ([]Pipe, error) {...})
//
// The input is a struct whose fields are tagged path:"name" or query:"name", and Body for
// a body; the answer is a plain struct with json tags. tellAll is for what needs no input,
// act for what answers with nothing, stream for what writes its answer itself, register for
// answers with headers. Roles, bounds, validation, the record of changes, the description
// and docs/api.md follow from the declaration; `go test ./control/api -update` renews the
// golden files. An error that the asker can mend belongs into statusOf.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Errors that a Node returns and the API turns into answers.
var (
	ErrNotFound = errors.New("no such relay")
	ErrInvalid  = errors.New("the node file has errors")
)

// StatusSource tells how the node is.
type StatusSource interface {
	Status() Status
	// Changed is closed when State or Degraded may have changed since Status was asked.
	Changed() <-chan struct{}
}

// Relays lists and ends relays.
type Relays interface {
	Relays() []Relay
	Relay(id uint64) (Relay, error)
	Kill(id uint64) error
}

// DataPath tells how the data path is.
type DataPath interface {
	Dataplane() Dataplane
	Reasons() []Reason
}

// Operator changes what the running node does.
type Operator interface {
	Drain(on bool)
	Reload() (Reload, error)
}

// Node is everything the API needs of a node.
type Node interface {
	StatusSource
	Relays
	DataPath
	TrafficSource
	Operator
	Capturer
	Router
	Alarms
}

// Server answers for one node.
type Server struct {
	node       Node
	mux        *http.ServeMux
	huma       huma.API
	log        Recorder // nil: nothing is recorded
	operations []operation
	watchers   atomic.Int32
}

// Recorder is the event log.
type Recorder interface {
	Event(name string, pairs ...any)
}

// New returns a server for a node. metrics is served at /metrics; it may be nil.
func New(node Node, metrics http.Handler) *Server {
	s := &Server{node: node, mux: http.NewServeMux()}
	s.huma = describe(s.mux)
	answer(s, operation{id: "description", route: "GET /openapi.json", role: RoleRead, area: "Node", text: "This description."},
		func(context.Context, *none) (json.RawMessage, error) { return json.Marshal(s.huma.OpenAPI()) })
	s.addStatus()
	s.addRelays()
	s.addDataPath()
	s.addOperator()
	s.addCapture()
	s.addRouting()
	s.addAlarms()
	s.addSessions()
	s.addEvents()
	if metrics != nil {
		stream(s, operation{id: "metrics", route: "GET /metrics", role: RoleRead, area: "Node", text: "The metrics in the format of Prometheus."}, "text/plain",
			func(w http.ResponseWriter, r *http.Request, _ *none) { metrics.ServeHTTP(w, r) })
	}
	return s
}

// Record has every change that is asked for written to the event log: who, from where,
// what, and what became of it.
func (s *Server) Record(log Recorder) *Server {
	s.log = log
	return s
}

// maxWait bounds how long a question may wait for an answer.
const maxWait = 30 * time.Second

// waiting asks to be answered later.
type waiting struct {
	Wait string `query:"wait" enum:"ready" doc:"Answer when the node is ready, or after 30 s."`
}

func (s *Server) addStatus() {
	answer(s, operation{id: "status", route: "GET /v1/status", role: RoleRead, area: "Node", text: "How the node is."}, s.status)
}

// status answers at once or, with ?wait=ready, when the node is ready or maxWait is over.
func (s *Server) status(ctx context.Context, in *waiting) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	for {
		changed := s.node.Changed()
		st := s.node.Status()
		if in.Wait != "ready" || st.State == Ready {
			return st, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return st, nil
		}
	}
}

// relayID names a relay.
type relayID struct {
	ID uint64 `path:"id" doc:"Its number in the list."`
}

func (s *Server) addRelays() {
	tellAll(s, operation{id: "list-relays", route: "GET /v1/relays", role: RoleRead, area: "TURN", text: "The relays of TURN clients."}, s.node.Relays)
	answer(s, operation{id: "show-relay", route: "GET /v1/relays/{id}", role: RoleRead, area: "TURN", text: "One relay."},
		func(_ context.Context, in *relayID) (Relay, error) { return s.node.Relay(in.ID) })
	act(s, operation{id: "end-relay", route: "DELETE /v1/relays/{id}", role: RoleOperate, area: "TURN", text: "Ends a relay."},
		func(_ context.Context, in *relayID) error { return s.node.Kill(in.ID) })
}

func (s *Server) addDataPath() {
	tellAll(s, operation{id: "show-dataplane", route: "GET /v1/dataplane", role: RoleRead, area: "Data path", text: "The state of the data path."}, s.node.Dataplane)
	tellAll(s, operation{id: "list-reasons", route: "GET /v1/reasons", role: RoleRead, area: "Data path", text: "How many packets left the relay for each reason."}, s.node.Reasons)
	tellAll(s, operation{id: "show-traffic", route: "GET /v1/traffic", role: RoleRead, area: "Data path", text: "Everything that counts up while packets move."}, s.node.Traffic)
	tellAll(s, operation{id: "list-losses", route: "GET /v1/losses", role: RoleRead, area: "Data path", text: "What the machine lost outside the relay."}, s.node.Losses)
	stream(s, operation{id: "profile", route: "GET /v1/profile/{name}", role: RoleAdmin, area: "Node", text: "A profile of the process: goroutine or heap."}, "application/octet-stream", s.profile)
}

func (s *Server) addOperator() {
	act(s, operation{id: "drain", route: "PUT /v1/drain", role: RoleOperate, area: "Node", text: "Maintenance mode: takes nothing new."},
		func(context.Context, *none) error { s.node.Drain(true); return nil })
	act(s, operation{id: "end-drain", route: "DELETE /v1/drain", role: RoleOperate, area: "Node", text: "Ends maintenance mode."},
		func(context.Context, *none) error { s.node.Drain(false); return nil })
	answer(s, operation{id: "reload", route: "POST /v1/reload", role: RoleAdmin, area: "Node", text: "Reads the node file again."},
		func(context.Context, *none) (Reload, error) {
			result, err := s.node.Reload()
			if err != nil {
				return result, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			return result, nil
		})
}
