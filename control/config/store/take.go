package store

import (
	"encoding/hex"
	"errors"
	"fmt"

	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// written is a revision that is durable and not in force yet.
type written struct {
	snap    *Snapshot
	changes []config.Change
}

// Write makes a document of the cluster the shared part of the next revision, durably; it is not in force
// before Apply. What belongs to the node stays (PS). One that does not go with that is refused, and
// nothing is changed. Write, Apply and Digest may wait for the disk and for subscribers: they are called one after the
// other, in the order in which they were asked for, and not by who sends heartbeats.
func (s *Store) Write(d revisions.Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putInForce() // who writes again does not wait for the one before
	cur := s.Current()
	if cur == nil {
		return ErrEmpty
	}
	p, next, ring, err := s.read(cur, d)
	if err != nil {
		s.Log.Error("System Configuration Refused", "Detail", err) // who asked raises the alarm
		return err
	}
	if err := s.adoptKey(ring); err != nil {
		return err
	}
	changes := config.Diff(cur.Node, next)
	origin := &Origin{Generation: d.Tag.Generation, Author: string(d.Tag.Author), Revision: d.Tag.Revision, Decision: d.Decision}
	snap, err := s.write(cur, p, next, changes, origin)
	if err != nil {
		return err
	}
	s.written = &written{snap, changes}
	if w := s.pending; w != nil && w.text == d.Bytes {
		s.pending = nil
	}
	return nil
}

// read returns the tree that a document leads to, who asked for it, and the key that comes with it.
func (s *Store) read(cur *Snapshot, d revisions.Stored) (p Proposal, next *config.Node, ring *seal.Ring, err error) {
	own := cur.Node
	if w := s.pending; w != nil && w.text == d.Bytes { // proposed here, with what belongs to the node
		if w.base == cur.Number {
			return w.p, w.next, w.ring.Newest(), nil
		}
		if again, err := revise(cur.Node, w.p); err == nil {
			own = again // something else was changed meanwhile, and stays
		}
	}
	head, ring, err := readDocument(d.Bytes)
	if err != nil {
		return p, nil, nil, fmt.Errorf("take revision %s: %w", d.Tag, err)
	}
	p = Proposal{Author: head.Author, Note: head.Note}
	if head.Node != "" && head.Node != cur.Node.System.Name {
		p.From = head.From + " at " + head.Node
	}
	next, err = head.onto(own, d.Tag.Digest)
	if err != nil {
		return p, nil, nil, fmt.Errorf("revision %s does not go with what belongs to this node: %w", d.Tag, err)
	}
	return p, next, ring, nil
}

// Apply puts in force what Write made durable.
func (s *Store) Apply(a revisions.Apply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Lost {
		s.Log.Warn("System Configuration Replaced", "Detail", fmt.Sprintf("what was written here as %s gives way to %s: see what it was with `turnpike config history`", a.Replaces, a.Tag))
	}
	s.putInForce()
}

func (s *Store) putInForce() {
	w := s.written
	if w == nil {
		return
	}
	s.written = nil
	cur := s.Current()
	s.current.Store(w.snap)
	s.tell(cur, w.snap, w.changes)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Digest returns the digest of the shared part as the disk has it and as it is in force, both computed anew (CL-03).
// Where they differ it is of neither.
func (s *Store) Digest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := s.durable()
	if cur == nil {
		return ""
	}
	digest := digestOf(cur.Node)
	snap, err := s.load(cur.Number)
	switch {
	case errors.Is(err, errDamaged), errors.Is(err, ErrNoRevision):
		s.Log.Error("System Configuration Damaged", "Detail", fmt.Sprintf("%s is not as it was written", revisionName(cur.Number)))
		return "damaged"
	case err != nil:
		return digest // the disk does not say that it is wrong
	case digestOf(snap.Node) != digest:
		return "damaged"
	}
	return digest
}

func digestOf(n *config.Node) string {
	values, err := contentOf(config.Shared(n))
	if err != nil {
		return "unreadable " + hex.EncodeToString([]byte(err.Error()))
	}
	return values.digest()
}
