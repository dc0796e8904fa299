package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

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
	// Insist: although the node warns of it.
	Insist bool `json:"insist,omitempty"`
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

type (
	documentQuery struct {
		Revision int    `query:"revision" minimum:"0" doc:"A revision instead of what is in force."`
		Scope    string `query:"scope" enum:"all,peer,shared" doc:"All of it, what belongs to this node, or what a cluster shares."`
		Defaults string `query:"defaults" maxLength:"8" doc:"With a value: also what is at its default."`
		// IfNoneMatch is the ETag of what the asker has (RFC 9110 section 13.1.2).
		IfNoneMatch string `header:"If-None-Match" maxLength:"64"`
	}
	itemQuery struct {
		Revision int    `query:"revision" minimum:"0" doc:"A revision instead of what is in force."`
		Path     string `query:"path" required:"true" maxLength:"1024" doc:"As in docs/configuration.md: zones[out].hop_count"`
	}
	diffQuery struct {
		From int `query:"from" minimum:"0" doc:"A revision; 0: what is in force."`
		To   int `query:"to" minimum:"0" doc:"A revision; 0: what is in force."`
	}
	historyQuery struct {
		Limit int `query:"limit" maximum:"10000" doc:"How many revisions; 0: 20."`
	}
	rollbackTo struct {
		Revision int    `path:"revision" minimum:"1"`
		IfMatch  string `header:"If-Match" maxLength:"64" doc:"Only if this is the ETag of the configuration in force."`
	}
	proposed struct {
		IfMatch string `header:"If-Match" maxLength:"64" doc:"Only if this is the ETag of the configuration in force."`
		Body    Proposal
	}
	documentAnswer struct {
		ETag   string `header:"ETag"`
		Status int
		Body   Document
	}
	changedAnswer struct {
		ETag string `header:"ETag"`
		Body Changed
	}
)

// Configure adds the operations of the configuration.
func (s *Server) Configure(c Configuration) *Server {
	a := configAPI{c}
	const area = "Configuration"
	answer(s, operation{id: "list-accounts", route: "GET /v1/accounts", role: RoleAdmin, area: "Log-in", text: "Who may administer over HTTPS."}, a.accounts)
	register(s, operation{id: "show-configuration", route: "GET /v1/config", role: RoleRead, area: area, text: "The configuration as a node file, secrets hidden."}, a.show)
	answer(s, operation{id: "show-schema", route: "GET /v1/config/schema", role: RoleRead, area: area, text: "The JSON schema of the configuration tree."}, a.schema)
	answer(s, operation{id: "show-item", route: "GET /v1/config/item", role: RoleRead, area: area, text: "One item with what it is set to."}, a.item)
	answer(s, operation{id: "diff-configuration", route: "GET /v1/config/diff", role: RoleRead, area: area, text: "What differs between two revisions."}, a.diff)
	answer(s, operation{id: "list-revisions", route: "GET /v1/config/history", role: RoleRead, area: area, text: "The newest revisions: when, who, from where, what."}, a.history)
	register(s, operation{id: "change-configuration", route: "POST /v1/config/propose", role: RoleAdmin, area: area, text: "Makes a change, whole or not at all.", body: maxProposal}, a.propose)
	register(s, operation{id: "roll-back", route: "POST /v1/config/rollback/{revision}", role: RoleAdmin, area: area, text: "Makes the configuration of an earlier revision a new one."}, a.rollback)
	return s
}

type configAPI struct{ node Configuration }

// at returns a revision; for 0, what is in force.
func (a configAPI) at(revision int) (*store.Snapshot, error) {
	if revision != 0 {
		return a.node.Store().Revision(revision)
	}
	if cur := a.node.Store().Current(); cur != nil {
		return cur, nil
	}
	return nil, store.ErrEmpty
}

// show answers with a document, secrets hidden.
func (a configAPI) show(_ context.Context, in *documentQuery) (*documentAnswer, error) {
	snap, err := a.at(in.Revision)
	if err != nil {
		return nil, err
	}
	tag := tagOf(snap.Number)
	if in.IfNoneMatch == tag {
		return &documentAnswer{ETag: tag, Status: http.StatusNotModified}, nil
	}
	return &documentAnswer{ETag: tag, Status: http.StatusOK, Body: Document{Revision: snap.Number, Text: string(config.YAML(snap.Node, config.Writing{
		Scope: config.Scope(in.Scope), Defaults: in.Defaults != "",
	}))}}, nil
}

// schema answers with what may stand in a node file.
func (a configAPI) schema(context.Context, *none) (json.RawMessage, error) {
	return config.JSONSchema(), nil
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

func (a configAPI) item(_ context.Context, in *itemQuery) (Item, error) {
	snap, err := a.at(in.Revision)
	if err != nil {
		return Item{}, err
	}
	value, item, err := config.Get(snap.Node, in.Path)
	if err != nil {
		return Item{}, err
	}
	x, err := config.XPath(snap.Node, in.Path)
	return Item{in.Path, x, value, item.Kind.String(), item.DefaultText(), item.Peer, item.Text}, err
}

// Document is a configuration as a node file has it.
type Document struct {
	Revision int    `json:"revision"`
	Text     string `json:"document"`
}

func (a configAPI) diff(_ context.Context, in *diffQuery) ([]config.Change, error) {
	from, err := a.at(in.From)
	if err != nil {
		return nil, err
	}
	to, err := a.at(in.To)
	if err != nil {
		return nil, err
	}
	return notNil(config.Diff(from.Node, to.Node)), nil
}

func (a configAPI) history(_ context.Context, in *historyQuery) ([]store.Info, error) {
	limit := in.Limit
	if limit < 1 {
		limit = 20
	}
	return a.node.Store().History(limit)
}

func (a configAPI) propose(ctx context.Context, in *proposed) (*changedAnswer, error) {
	b := in.Body
	p := store.Proposal{Author: author(ctx), Note: b.Note, Expect: b.Expect, Operations: b.Operations, Scope: b.Scope, Insist: b.Insist}
	matched, err := matches(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if matched != 0 {
		p.Expect = matched
	}
	if b.Document != "" {
		n, err := config.Parse(b.File, []byte(b.Document))
		if err != nil {
			return nil, err
		}
		p.Document = n
		n.System.State = a.node.Store().Current().Node.System.State // where the store is
	}
	if b.Try {
		changes, err := a.node.Store().Check(p)
		return a.changed(store.Result{Changes: changes}, stale(err, matched))
	}
	result, err := a.node.Store().Propose(p)
	return a.changed(result, stale(err, matched))
}

func (a configAPI) rollback(ctx context.Context, in *rollbackTo) (*changedAnswer, error) {
	matched, err := matches(in.IfMatch)
	if err != nil {
		return nil, err
	}
	old, err := a.node.Store().Revision(in.Revision)
	if err != nil {
		return nil, err
	}
	result, err := a.node.Store().Propose(store.Proposal{
		Author: author(ctx), Note: fmt.Sprintf("rollback to revision %d", in.Revision), Document: old.Node, Expect: matched,
	})
	return a.changed(result, stale(err, matched))
}

func (a configAPI) changed(result store.Result, err error) (*changedAnswer, error) {
	if err != nil {
		return nil, err
	}
	tag := ""
	if result.Revision != 0 {
		tag = tagOf(result.Revision)
	}
	return &changedAnswer{ETag: tag, Body: Changed{Revision: result.Revision, Changes: notNil(result.Changes), NeedsRestart: a.node.NeedsRestart()}}, nil
}

// tagOf is the entity tag of a revision (RFC 9110 section 8.8.3).
func tagOf(revision int) string { return `"` + strconv.Itoa(revision) + `"` }

// matches returns the revision that If-Match wants in force; 0: any.
func matches(tag string) (int, error) {
	if tag == "" || tag == "*" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.Trim(tag, `"`))
	if err != nil || n < 1 || tagOf(n) != tag {
		return 0, problem(http.StatusPreconditionFailed, "If-Match is not the ETag of a configuration: ask for GET /v1/config and send its ETag")
	}
	return n, nil
}

// stale makes a conflict with If-Match what RFC 9110 section 13.1.1 calls it.
func stale(err error, matched int) error {
	if matched != 0 && errors.Is(err, store.ErrConflict) {
		return problem(http.StatusPreconditionFailed, err.Error())
	}
	return err
}

func notNil(changes []config.Change) []config.Change {
	if changes == nil {
		return []config.Change{}
	}
	return changes
}
