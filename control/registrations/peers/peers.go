// Package peers makes one Local Zone of the registrations of all peers of a cluster
// (RG-01): it tells the peers who is registered here, and answers the dial plan with who
// is registered there.
//
// It exists apart from package registrations so that a node's own table knows no cluster:
// on a node that stands alone this package is not there at all. Each binding is one row
// (cluster/rows) that its owner writes; refreshes are not spread. Rows of a peer that is
// lost are taken away by the cluster's core, so that whoever is found here is on a peer
// that lives (RG-04). A registration of the same endpoint on another peer takes the place
// of the one before: the newest wins, and the other owner removes its binding.
//
// Everything that routes asks Lookup; it does not wait for the cluster.
package peers

import (
	"context"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/control/registrations"
)

// Prefix is what the keys of registrations begin with.
const Prefix = "r/"

// Rows is cluster/member. Neither method may wait for whoever reads rows.
type Rows interface {
	Put(rows.Key, rows.Row)
	Delete(rows.Key)
}

// Own is this node's table (control/registrations).
type Own interface {
	dialplan.Registrations
	Of(name string) []*registrations.Binding
	Get(id uint64) (*registrations.Binding, bool)
	List() []*registrations.Binding
	Remove(id uint64, why registrations.Reason) bool
	Stamped(id uint64, at time.Time)
}

var (
	_ Own                    = (*registrations.Table)(nil)
	_ dialplan.Registrations = (*Table)(nil)
)

// Config is what a Table needs.
type Config struct {
	Self cluster.ID
	Own  Own
}

// Place is where a peer is in the list, and whether it wants calls.
type Place struct {
	Index       uint8 // 1 to 6
	Name        string
	Maintenance bool // others are asked first, where an endpoint is on several (RG-08)
}

// Table is everybody's registrations. Its methods may be called from everywhere; none
// waits for the cluster.
type Table struct {
	cfg Config

	spread struct { // what the peers are told
		sync.Mutex
		rows map[rows.Key]rows.Row
		to   Rows // nil: nobody listens yet
	}

	mu     sync.RWMutex // guards what the peers have told
	theirs map[rows.Key]*remote
	byName map[string][]*remote
	places map[cluster.ID]Place

	// beaten are own rows that do not count any more; Run removes their bindings.
	beaten  map[rows.Key]struct{}
	beating chan struct{}
}

// New returns a table that has what is registered here, and nothing of the peers.
func New(cfg Config) *Table {
	t := &Table{
		cfg: cfg, theirs: map[rows.Key]*remote{}, byName: map[string][]*remote{}, places: map[cluster.ID]Place{},
		beaten: map[rows.Key]struct{}{}, beating: make(chan struct{}, 1),
	}
	t.spread.rows = map[rows.Key]rows.Row{}
	for _, b := range cfg.Own.List() {
		t.write(b)
	}
	return t
}

// Rows are those of this node as it starts: the member has them before it says a word, so
// that no peer ever sees an empty table of a node that only started anew.
func (t *Table) Rows() map[rows.Key]rows.Row {
	t.spread.Lock()
	defer t.spread.Unlock()
	out := make(map[rows.Key]rows.Row, len(t.spread.rows))
	for k, r := range t.spread.rows {
		out[k] = r
	}
	return out
}

// Spread says whom to tell from now on: the member that was made with Rows.
func (t *Table) Spread(to Rows, told map[rows.Key]rows.Row) {
	t.spread.Lock()
	defer t.spread.Unlock()
	t.spread.to = to
	for k, r := range t.spread.rows {
		if told[k] != r {
			to.Put(k, r)
		}
	}
	for k := range told {
		if _, still := t.spread.rows[k]; !still {
			to.Delete(k)
		}
	}
}

// Use says which peers there are, and where each is in the list.
func (t *Table) Use(places map[cluster.ID]Place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places = places
}

// Run removes the bindings of this node that do not count any more, until ctx ends.
func (t *Table) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.beating:
			t.yield()
		}
	}
}
