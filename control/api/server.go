// Package api is how a node is asked and told: HTTP and JSON over a unix socket in
// its state directory, for the commands of turnpike and whoever scripts them.
//
// It exists so that there is no administration port to find on the network: who
// may use the socket is decided by the file's mode and by the peer's credentials,
// root or the node's own user. What it needs of the node are the small interfaces
// in Node; it keeps no state of its own.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/dataplane/capture"
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
	node Node
	mux  *http.ServeMux
}

// New returns a server for a node. metrics is served at /metrics; it may be nil.
func New(node Node, metrics http.Handler) *Server {
	s := &Server{node: node, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /v1/status", s.status)
	s.mux.HandleFunc("GET /v1/relays", s.relays)
	s.mux.HandleFunc("GET /v1/relays/{id}", s.relay)
	s.mux.HandleFunc("DELETE /v1/relays/{id}", s.kill)
	s.mux.HandleFunc("GET /v1/dataplane", s.dataplane)
	s.mux.HandleFunc("GET /v1/reasons", s.reasons)
	s.mux.HandleFunc("GET /v1/traffic", s.traffic)
	s.mux.HandleFunc("GET /v1/losses", s.losses)
	s.mux.HandleFunc("GET /v1/profile/{name}", s.profile)
	s.mux.HandleFunc("PUT /v1/drain", s.drain(true))
	s.mux.HandleFunc("DELETE /v1/drain", s.drain(false))
	s.mux.HandleFunc("POST /v1/reload", s.reload)
	s.mux.HandleFunc("POST /v1/capture", s.capture)
	s.mux.HandleFunc("DELETE /v1/capture", s.endCapture)
	s.mux.HandleFunc("POST /v1/locate", s.locate)
	s.mux.HandleFunc("GET /v1/zones", s.zones)
	s.mux.HandleFunc("GET /v1/alarms", s.alarms)
	s.mux.HandleFunc("PUT /v1/alarms/{uuid}/acknowledged", s.acknowledge)
	if metrics != nil {
		s.mux.Handle("GET /metrics", metrics)
	}
	return s
}

// maxWait bounds how long a question may wait for an answer.
const maxWait = 30 * time.Second

// status answers at once or, with ?wait=ready, when the node is ready or maxWait is over.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	for {
		changed := s.node.Changed()
		st := s.node.Status()
		if r.URL.Query().Get("wait") != "ready" || st.State == Ready {
			reply(w, st)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			reply(w, st)
			return
		}
	}
}

func (s *Server) relays(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Relays()) }

func (s *Server) dataplane(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Dataplane()) }

func (s *Server) reasons(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Reasons()) }

func (s *Server) relay(w http.ResponseWriter, r *http.Request) {
	id, err := relayID(r)
	if err != nil {
		refuse(w, err)
		return
	}
	found, err := s.node.Relay(id)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, found)
}

func (s *Server) kill(w http.ResponseWriter, r *http.Request) {
	id, err := relayID(r)
	if err == nil {
		err = s.node.Kill(id)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) drain(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.node.Drain(on)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	result, err := s.node.Reload()
	if err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrInvalid, err))
		return
	}
	reply(w, result)
}

func relayID(r *http.Request) (uint64, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no relay id", ErrNotFound, r.PathValue("id"))
	}
	return id, nil
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the asker went away
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	asked, ofConfig := isConfig(err)
	switch {
	case ofConfig:
		code = asked
	case errors.Is(err, ErrNotFound):
		code = http.StatusNotFound
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrRefused), errors.Is(err, ErrWrongQuestion), errors.Is(err, alarms.ErrNoAlarm), errors.Is(err, capture.ErrOptions):
		code = http.StatusUnprocessableEntity
	case errors.Is(err, calls.ErrNoCall), errors.Is(err, registrations.ErrUnknown):
		code = http.StatusUnprocessableEntity // the text says where to look
	case errors.Is(err, ErrBusy):
		code = http.StatusConflict
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(problem{Error: err.Error()})
}
