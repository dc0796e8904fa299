package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// Cluster is who a clustered node's store hands changes of shared items to.
type Cluster interface {
	// Propose makes a document the configuration of the cluster. It returns when the document is in
	// force here, after Write and Apply of this store, or says why it is not.
	Propose(ctx context.Context, p revisions.Propose) error
	// Primary returns the address of the peer that owns the shared configuration, as the list of peers has it,
	// and whether this node is it and may write now.
	Primary() (address string, here bool)
	// Forward has the primary change the address mapping, the one shared part that is entered on any peer (CL-07).
	Forward(ctx context.Context, by Author, operations []config.Operation) (Origin, error)
	// RenewKey asks the primary for a new system key; it comes with the configuration.
	RenewKey(ctx context.Context, by Author) (Origin, error)
}

// Origin is what a cluster knows the shared part of a revision as.
type Origin struct {
	Generation uint64 `json:"generation"` // which primary's time, counted
	Author     string `json:"author"`     // id of the primary
	Revision   uint64 `json:"revision"`   // its number at the author's
	// Decision is the operator's last decision about the primary that took effect here.
	Decision uint64 `json:"decision,omitempty"`
}

// ErrElsewhere means that a change belongs on the primary (CL-03).
var ErrElsewhere = errors.New("the peers of the cluster share this")

// ElsewhereError refuses a change of shared items on another peer than the primary.
type ElsewhereError struct {
	Item    string // the first of them
	Primary string // address; empty: nobody is the primary now
}

// Error says where to go.
func (e *ElsewhereError) Error() string {
	if e.Primary == "" {
		return e.Item + " is shared by the peers of the cluster, and they have no primary now: see `turnpike cluster status`"
	}
	return fmt.Sprintf("%s is shared by the peers of the cluster: change it on their primary, %s", e.Item, e.Primary)
}

// Is makes it an ErrElsewhere.
func (e *ElsewhereError) Is(target error) bool { return target == ErrElsewhere }

// patience is how long a change may take to come into force.
const patience = 30 * time.Second

// pending is a change that was handed to the cluster and is not written yet. One that takes too long stays: what of it
// belongs to the node is nowhere else.
type pending struct {
	base int    // the revision that next was made from
	text string // of the document
	ring *seal.Ring
	p    Proposal
	next *config.Node
}

// SetCluster makes changes of shared items the cluster's; before, and with nil, they are the node's own.
func (s *Store) SetCluster(c Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = c
}

// Clustered reports whether shared items are a cluster's.
func (s *Store) Clustered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster != nil
}

// firstShared returns the first change of an item that peers share. That the link comes or goes with the list of peers
// is part of that list's change: who has joined finds it at the primary's.
func firstShared(changes []config.Change) (config.Change, bool) {
	const link = "links[" + config.ClusterLinkName + "]."
	listed := slices.ContainsFunc(changes, func(c config.Change) bool { return c.Path == "cluster.peers" })
	comes := slices.ContainsFunc(changes, func(c config.Change) bool { return c.Path == link+"node1" && (c.From == "" || c.To == "") })
	for _, c := range changes {
		if listed && comes && strings.HasPrefix(c.Path, link) {
			continue
		}
		if item, ok := config.Lookup(c.Path); !ok || !item.Peer {
			return c, true
		}
	}
	return config.Change{}, false
}

// elsewhere refuses changes of shared items where they do not belong (CL-03), unless the primary is told them.
func (s *Store) elsewhere(changes []config.Change) (forward bool, err error) {
	first, shared := firstShared(changes)
	if s.cluster == nil || !shared {
		return false, nil
	}
	at, here := s.cluster.Primary()
	switch {
	case here:
		return false, nil
	case at == "" || slices.ContainsFunc(changes, func(c config.Change) bool { return !OfMapping(c.Path) }):
		return false, &ElsewhereError{Item: first.Path, Primary: at}
	}
	return true, nil
}

// OfMapping reports whether a path is of the address mapping (CL-07).
func OfMapping(path string) bool {
	return strings.HasPrefix(path, "cluster_mapping.entries[") || path == "cluster_mapping.mode" || path == "cluster_mapping.entries"
}

// settleTime is how long a change that the primary has made may take to get here, until it is told as done.
const settleTime = 5 * time.Second

// onPrimary has the primary make a change, and waits until it is here too. s.mu is held, and let go of meanwhile.
func (s *Store) onPrimary(ask func(context.Context, Cluster) (Origin, error)) error {
	c := s.cluster
	s.mu.Unlock()
	defer s.mu.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	made, err := ask(ctx, c)
	if err != nil {
		return err
	}
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for {
		s.mu.Lock()
		cur, changed := s.Current(), s.changed
		s.mu.Unlock()
		if cur.Shared != nil && cur.Shared.tag().Compare(made.tag()) >= 0 {
			return nil
		}
		select {
		case <-changed:
		case <-late.C:
			return nil // it is made, and comes
		}
	}
}

// errUnchanged begins what is said of a change that was not made.
var errUnchanged = errors.New("the configuration is unchanged")

// spread hands a change to the cluster. s.mu is held, and let go of while the cluster writes it here.
func (s *Store) spread(p Proposal, next *config.Node, changes []config.Change, ring *seal.Ring) (Result, error) {
	info := Info{Author: p.Author, Note: p.Note, Time: s.Now()}
	text, digest, err := documentOf(next.System.Name, info, next, ring)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", errUnchanged, err)
	}
	s.pending = &pending{s.Current().Number, text, ring, p, next}
	c := s.cluster
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	err = c.Propose(ctx, revisions.Propose{Bytes: text, Digest: digest})
	cancel()
	s.mu.Lock()
	if errors.Is(err, context.DeadlineExceeded) {
		return Result{}, fmt.Errorf("the change is not in force after %s, and may come into force still: see `turnpike config history`", patience)
	}
	s.pending = nil
	switch {
	case errors.Is(err, errUnchanged): // its disk says so itself
		return Result{}, err
	case err != nil:
		return Result{}, fmt.Errorf("%w: %w", errUnchanged, err)
	}
	return Result{Revision: s.Current().Number, Changes: changes}, nil
}

// Stored returns what the disk has of the cluster's configuration; zero: nothing, the node is on its own.
func (s *Store) Stored() revisions.Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := s.durable()
	if cur == nil || cur.Shared == nil {
		return revisions.Stored{}
	}
	text, digest, err := documentOf(cur.Node.System.Name, cur.Info, cur.Node, s.ring)
	if err != nil {
		s.Log.Error("System Configuration Not Shared", "Detail", err)
		return revisions.Stored{}
	}
	tag := cur.Shared.tag()
	tag.Digest = digest
	return revisions.Stored{Document: revisions.Document{Tag: tag, Bytes: text}, Decision: cur.Shared.Decision}
}

func (o *Origin) tag() revisions.Tag {
	return revisions.Tag{Reign: revisions.Reign{Generation: o.Generation, Author: cluster.ID(o.Author)}, Revision: o.Revision}
}

// Initial returns what this node begins a cluster with.
func (s *Store) Initial() revisions.Propose {
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := s.durable()
	if cur == nil {
		return revisions.Propose{}
	}
	text, digest, err := documentOf(cur.Node.System.Name, cur.Info, cur.Node, s.ring)
	if err != nil {
		s.Log.Error("System Configuration Not Shared", "Detail", err)
		return revisions.Propose{}
	}
	return revisions.Propose{Bytes: text, Digest: digest}
}

// durable is the newest revision: what is in force, or what comes into force next.
func (s *Store) durable() *Snapshot {
	if s.written != nil {
		return s.written.snap
	}
	return s.Current()
}
