// Package agreement is where peers agree on who belongs to the cluster and what each may use: the
// shell around hashicorp/raft, and the only one that knows it.
//
// It exists to keep four promises that the library leaves to its user. Each history of the agreement
// has an id of its own, and a stream between peers begins with it: two histories never follow each other. A step
// from one history to another (found, join, recover) is durable as a whole or not at all, whenever
// the process dies. A leader says that it leads only while a majority says so and all that was agreed before
// its term is applied, and never again in a term in which something that it was to propose got lost.
// And nothing here blocks who calls, but Open, Close and Write.
package agreement

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

// ErrNotLeader says that only the leader can do it.
var ErrNotLeader = errors.New("this peer does not lead the agreement")

// ErrClosed says that there is no agreement here (any more): the node belongs to no cluster, or ends.
var ErrClosed = errors.New("no agreement runs here")

// Log takes records of the event log.
type Log interface {
	Warn(event string, kv ...any)
}

// Config is what an agreement is made of.
type Config struct {
	Self cluster.ID
	// Dir is a folder of the agreement's own.
	Dir string
	// Dial opens a stream to a peer.
	Dial func(ctx context.Context, to cluster.ID) (net.Conn, error)
	// Applied takes what is agreed, in order, from a goroutine of the agreement's: it must be quick.
	Applied func(Applied)
	// Boot reads CLOCK_BOOTTIME.
	Boot func() time.Duration
	Log  Log
}

// Applied is what was agreed: an entry, or a whole table where entries were not followed one by one (another
// history, or a snapshot of the leader's).
type Applied struct {
	Cluster string // the history
	Index   uint64
	Entry   *ledger.Entry
	Table   *ledger.Table
}

// Leading says that this node leads a history of the agreement.
type Leading struct {
	Cluster string
	ledger.Leads
}

// State is how the agreement stands.
type State struct {
	Agreed  membership.Agreed
	Leads   bool
	Term    uint64
	Applied uint64 // index
	// LastContact is how long ago the leader was heard; of the leader itself 0.
	LastContact time.Duration
	// Why says what is wrong; empty: the database is active (CL-17, alarm 20026).
	Why string
}

// Agreement is this node's part in the agreement. Its methods may be called by any number of
// goroutines.
type Agreement struct {
	cfg     Config
	files   files
	changed chan struct{}
	leads   chan Leading

	steps  sync.Mutex  // one at a time; guards what follows
	later  *time.Timer // that tries again to run what failed; nil: it never did
	closed bool

	mu     sync.Mutex // guards what follows
	stored membership.Stored
	run    *run // nil: none
	broken error
}

// Open opens what is on the disk, and takes part in what it belongs to.
func Open(cfg Config) (*Agreement, error) {
	a := &Agreement{
		cfg: cfg, files: disk{cfg.Dir}, changed: make(chan struct{}, 1), leads: make(chan Leading, 1),
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Agreement) open() error {
	a.steps.Lock() // what runs may fail at once
	defer a.steps.Unlock()
	stored, err := readStored(a.files)
	if err != nil {
		return err
	}
	if err := sweep(a.files, stored.Cluster); err != nil {
		return err
	}
	a.stored = stored
	if stored.Cluster == "" {
		return nil
	}
	r, err := a.start(stored.Cluster)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.run = r
	return err
}

// Close ends this node's part. What is agreed without it goes on.
func (a *Agreement) Close() error {
	a.steps.Lock()
	defer a.steps.Unlock()
	if a.closed = true; a.later != nil {
		a.later.Stop()
	}
	return a.stop()
}

// Stored is what is on the disk.
func (a *Agreement) Stored() membership.Stored {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stored
}

// Changed tells that State may be another one.
func (a *Agreement) Changed() <-chan struct{} { return a.changed }

// Leads tells again and again that this node leads.
func (a *Agreement) Leads() <-chan Leading { return a.leads }

// Accept takes a stream that a peer opened. One of another history is closed.
func (a *Agreement) Accept(conn net.Conn) {
	if r := a.running(); r != nil {
		r.streams.take(conn)
		return
	}
	conn.Close()
}

// Table returns a copy of what is agreed, and the index up to which it is.
func (a *Agreement) Table() (*ledger.Table, uint64) {
	if r := a.running(); r != nil {
		return r.machine.copy()
	}
	return ledger.NewTable(), 0
}

func (a *Agreement) running() *run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.run
}

func (a *Agreement) warn(event string, err error) {
	if a.cfg.Log != nil {
		a.cfg.Log.Warn(event, "Detail", err.Error())
	}
}

func (a *Agreement) notify() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *Agreement) stop() error {
	a.mu.Lock()
	r := a.run
	a.run = nil
	a.mu.Unlock()
	a.notify()
	if r == nil {
		return nil
	}
	return r.close()
}
