package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/config"
)

// Proposal is a change that somebody asks for: operations, or a whole document.
type Proposal struct {
	Author
	Note string
	// Expect is the revision that the change was made for; 0: whatever is in force.
	Expect     int
	Operations []config.Operation
	// Document replaces the part of the tree that Scope names.
	Document *config.Node
	Scope    config.Scope
	// File: the document is the node file. Of the node's own items only those count that it says otherwise
	// than it did when it was read last, unless all revisions came from it.
	File bool
	// Insist: although the guard would refuse it (SetGuard).
	Insist bool
	// reset: the document is what a factory reset leaves.
	reset bool
}

// Result is what a proposal came to.
type Result struct {
	Revision int             `json:"revision"`
	Changes  []config.Change `json:"changes"` // empty: everything was so already
}

// Propose makes a change durable and tells it, or changes nothing. Problems are
// config.Problems.
//
// In a cluster, changes of shared items go through it, and only on its primary; others are refused with
// an ElsewhereError.
func (s *Store) Propose(p Proposal) (result Result, err error) {
	s.proposing.Lock()
	defer s.proposing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putInForce()
	cur := s.Current()
	next, changes, err := s.prepare(cur, p)
	if err != nil {
		return Result{}, err
	}
	if p.File {
		defer func() {
			if err == nil {
				s.remember(p.Document)
			}
		}()
	}
	if cur != nil && len(changes) == 0 && !p.reset {
		return Result{Revision: cur.Number, Changes: []config.Change{}}, nil
	}
	forward, err := s.elsewhere(changes)
	if err != nil {
		return Result{}, err
	}
	if err := s.guarded(p, changes); err != nil {
		return Result{}, err
	}
	if forward && len(p.Operations) > 0 {
		err := s.onPrimary(func(ctx context.Context, c Cluster) (Origin, error) { return c.Forward(ctx, p.Author, p.Operations) })
		return Result{Revision: s.Current().Number, Changes: changes}, err
	}
	_, shared := firstShared(changes)
	if shared && s.cluster != nil {
		return s.spread(p, next, changes, s.ring)
	}
	var origin *Origin
	if cur != nil && !shared && !p.reset {
		origin = cur.Shared // what is not the cluster's any more is not called so
	}
	snap, err := s.write(cur, p, next, changes, origin)
	if err != nil {
		return Result{}, err
	}
	s.current.Store(snap)
	s.tell(cur, snap, changes)
	return Result{Revision: snap.Number, Changes: changes}, nil
}

// Check returns what a proposal would change, and changes nothing.
func (s *Store) Check(p Proposal) ([]config.Change, error) {
	_, changes, err := s.prepare(s.Current(), p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err = s.elsewhere(changes); err != nil {
		return changes, err
	}
	return changes, s.guarded(p, changes)
}

// SetGuard has changes asked about before they are made, of those who can tell what would come of them; whoever
// insists is not kept from them.
func (s *Store) SetGuard(may func([]config.Change) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guard = may
}

func (s *Store) guarded(p Proposal, changes []config.Change) error {
	if s.guard == nil || p.Insist || p.reset {
		return nil
	}
	return s.guard(changes)
}

// prepare makes the tree that a proposal asks for.
func (s *Store) prepare(cur *Snapshot, p Proposal) (*config.Node, []config.Change, error) {
	if p.Expect != 0 && (cur == nil || cur.Number != p.Expect) {
		return nil, nil, fmt.Errorf("%w: it is at revision %d, and the change was made for %d: look at the difference and try again", ErrConflict, number(cur), p.Expect)
	}
	if cur == nil {
		if p.Document == nil {
			return nil, nil, ErrEmpty
		}
		return p.Document, config.Diff(config.Default(), p.Document), config.Check(p.Document)
	}
	if p.File && !cur.File {
		p.Document, p.Scope = config.Reread(cur.Node, p.Document, s.said()), config.ScopePeer
	}
	next, err := revise(cur.Node, p)
	if err != nil {
		return nil, nil, err
	}
	return next, config.Diff(cur.Node, next), nil
}

func revise(cur *config.Node, p Proposal) (*config.Node, error) {
	if p.Document == nil {
		return config.Apply(cur, p.Operations)
	}
	next, err := config.Adopt(cur, p.Document)
	if err != nil {
		return nil, err
	}
	switch p.Scope {
	case config.ScopePeer:
		return config.Merge(next, cur)
	case config.ScopeShared:
		return config.Merge(cur, next)
	default:
		return next, config.Check(next)
	}
}

func number(s *Snapshot) int {
	if s == nil {
		return 0
	}
	return s.Number
}

// write makes the next revision durable.
func (s *Store) write(cur *Snapshot, p Proposal, next *config.Node, changes []config.Change, origin *Origin) (*Snapshot, error) {
	values, err := contentOf(config.Values(next))
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	info := Info{
		Number: max(number(cur), s.newest) + 1, Generation: 1, Time: s.Now().UTC(),
		Author: p.Author, Note: p.Note, File: p.File && (cur == nil || cur.File) && origin == nil, Digest: values.digest(), Shared: origin,
		Changes: changes[:min(len(changes), maxRecorded)], More: max(len(changes)-maxRecorded, 0),
	}
	_, shared := firstShared(changes)
	info.Fresh = origin == nil && (p.reset || cur.fresh() && (p.File || !shared))
	if cur != nil {
		info.Generation = cur.Generation
	}
	if origin != nil {
		info.Generation = int(origin.Generation)
	}
	data, err := values.encode(info, s.ring)
	if err != nil {
		return nil, fmt.Errorf("write revision %d: %w", info.Number, err)
	}
	name := revisionName(info.Number)
	if err := replace(s.Files, name, data); err != nil {
		// If it got its name before that failed, it must not come into force later.
		return nil, errors.Join(fmt.Errorf("%w: %w", errUnchanged, err), s.discard(name))
	}
	s.newest = info.Number
	s.prune()
	return &Snapshot{Info: info, Node: next}, nil
}

func (s *Store) discard(name string) error {
	names, err := s.Files.List()
	if err != nil || !slices.Contains(names, name) {
		return err
	}
	return errors.Join(s.Files.Remove(name), s.Files.Sync())
}

// prune removes the oldest revisions. That it fails does no harm.
func (s *Store) prune() {
	numbers, err := s.tidy()
	if err != nil {
		return
	}
	for _, number := range numbers[min(s.Keep, len(numbers)):] {
		_ = s.Files.Remove(revisionName(number))
	}
}

// Rollback makes the configuration of an earlier revision a new one.
func (s *Store) Rollback(to int, author Author) (Result, error) {
	old, err := s.Revision(to)
	if err != nil {
		return Result{}, err
	}
	return s.Propose(Proposal{Author: author, Note: fmt.Sprintf("rollback to revision %d", to), Document: old.Node})
}
