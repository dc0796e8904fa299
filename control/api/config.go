package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"strconv"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/store"
)

// Configuration is what the API needs to show and change a node's configuration.
type Configuration interface {
	Store() *store.Store
	// NeedsRestart lists what is stored and waits for the next start.
	NeedsRestart() []config.Change
}

// Proposal is a change as it is sent: operations, or a document in YAML.
type Proposal struct {
	Expect     int                `json:"expect,omitempty"`
	Note       string             `json:"note,omitempty"`
	Operations []config.Operation `json:"operations,omitempty"`
	Document   string             `json:"document,omitempty"`
	File       string             `json:"file,omitempty"` // name of the document
	Scope      config.Scope       `json:"scope,omitempty"`
	// Try only tells what would change.
	Try bool `json:"try,omitempty"`
}

// Changed is what a proposal came to.
type Changed struct {
	Revision     int             `json:"revision"`
	Changes      []config.Change `json:"changes"`
	NeedsRestart []config.Change `json:"needs_restart"` // this and earlier ones
}

// maxProposal bounds a request; a document of 4 MiB fits.
const maxProposal = 6 << 20

// Configure adds the routes of the configuration.
func (s *Server) Configure(c Configuration) *Server {
	a := configAPI{c}
	s.mux.HandleFunc("GET /v1/config", a.show)
	s.mux.HandleFunc("GET /v1/config/item", a.item)
	s.mux.HandleFunc("GET /v1/config/diff", a.diff)
	s.mux.HandleFunc("GET /v1/config/history", a.history)
	s.mux.HandleFunc("POST /v1/config/propose", a.propose)
	s.mux.HandleFunc("POST /v1/config/rollback/{revision}", a.rollback)
	return s
}

type configAPI struct{ node Configuration }

// at returns the revision that a query names; without one, what is in force.
func (a configAPI) at(r *http.Request, name string) (*store.Snapshot, error) {
	word := r.FormValue(name)
	if word == "" {
		if cur := a.node.Store().Current(); cur != nil {
			return cur, nil
		}
		return nil, store.ErrEmpty
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no number", store.ErrNoRevision, word)
	}
	return a.node.Store().Revision(n)
}

// show answers with a document, secrets hidden.
func (a configAPI) show(w http.ResponseWriter, r *http.Request) {
	snap, err := a.at(r, "revision")
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, Document{Revision: snap.Number, Text: string(config.YAML(snap.Node, config.Writing{
		Scope: config.Scope(r.FormValue("scope")), Defaults: r.FormValue("defaults") != "",
	}))})
}

// Item is one item with what it is set to.
type Item struct {
	Path  string `json:"path"`
	X     string `json:"xconfiguration"`
	Value string `json:"value"` // secrets hidden
	Type  string `json:"type"`
	Unset string `json:"default"`
	Peer  bool   `json:"peer_specific"`
	Text  string `json:"text"`
}

func (a configAPI) item(w http.ResponseWriter, r *http.Request) {
	snap, err := a.at(r, "revision")
	if err != nil {
		refuse(w, err)
		return
	}
	path := r.FormValue("path")
	value, item, err := config.Get(snap.Node, path)
	if err != nil {
		refuse(w, err)
		return
	}
	x, err := config.XPath(snap.Node, path)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, Item{path, x, value, item.Kind.String(), item.DefaultText(), item.Peer, item.Text})
}

// Document is a configuration as a node file has it.
type Document struct {
	Revision int    `json:"revision"`
	Text     string `json:"document"`
}

func (a configAPI) diff(w http.ResponseWriter, r *http.Request) {
	from, err := a.at(r, "from")
	if err != nil {
		refuse(w, err)
		return
	}
	to, err := a.at(r, "to")
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, notNil(config.Diff(from.Node, to.Node)))
}

func (a configAPI) history(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 {
		limit = 20
	}
	infos, err := a.node.Store().History(limit)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, infos)
}

func (a configAPI) propose(w http.ResponseWriter, r *http.Request) {
	var in Proposal
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxProposal)).Decode(&in); err != nil {
		refuse(w, fmt.Errorf("%w: %w", ErrInvalid, err))
		return
	}
	p := store.Proposal{Author: author(r.Context()), Note: in.Note, Expect: in.Expect, Operations: in.Operations, Scope: in.Scope}
	if in.Document != "" {
		n, err := config.Parse(in.File, []byte(in.Document))
		if err != nil {
			refuse(w, err)
			return
		}
		p.Document = n
		n.System.State = a.node.Store().Current().Node.System.State // where the store is
	}
	if in.Try {
		changes, err := a.node.Store().Check(p)
		a.answer(w, store.Result{Changes: changes}, err)
		return
	}
	result, err := a.node.Store().Propose(p)
	a.answer(w, result, err)
}

func (a configAPI) rollback(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("revision"))
	if err != nil {
		refuse(w, fmt.Errorf("%w: %q is no number", store.ErrNoRevision, r.PathValue("revision")))
		return
	}
	result, err := a.node.Store().Rollback(n, author(r.Context()))
	a.answer(w, result, err)
}

func (a configAPI) answer(w http.ResponseWriter, result store.Result, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, Changed{Revision: result.Revision, Changes: notNil(result.Changes), NeedsRestart: a.node.NeedsRestart()})
}

func notNil(changes []config.Change) []config.Change {
	if changes == nil {
		return []config.Change{}
	}
	return changes
}

// isConfig reports whether an error is the asker's and what the API calls it.
func isConfig(err error) (int, bool) {
	var problems config.Problems
	switch {
	case isUsage(err):
		return http.StatusBadRequest, true
	case errors.As(err, &problems), errors.Is(err, config.ErrPath), errors.Is(err, store.ErrEmpty):
		return http.StatusUnprocessableEntity, true
	case errors.Is(err, store.ErrConflict):
		return http.StatusConflict, true
	case errors.Is(err, store.ErrNoRevision):
		return http.StatusUnprocessableEntity, true
	}
	return 0, false
}

type peerKey struct{}

// author names who is at the other end of the socket.
func author(ctx context.Context) store.Author {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	if !ok {
		return store.Author{User: "unknown", From: SocketName}
	}
	name := strconv.Itoa(int(uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return store.Author{User: name, From: SocketName}
}
