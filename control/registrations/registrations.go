// Package registrations keeps every binding of this node, SIP and H.323 alike: who is
// registered, where, by which way and for how long.
//
// It exists apart from the registrars so that both protocols share one Local Zone
// (RG-01), one limit (CA-01, CA-04) and one list for the operator, and so that the dial
// plan can ask it without knowing either. It opens no socket: a connection is a number
// here, which the registrar knows.
//
// The table is asked from every goroutine that routes. What it hands out is never
// changed afterwards.
package registrations

import (
	"context"
	"errors"
	"sync"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
	"turnpike.dev/turnpike/licensing"
)

// MaxContacts is how many bindings one name has: as many places may ring for one call.
const MaxContacts = 20

// alarmFull is "registrations on this node" in the catalogue of alarms.
const alarmFull = 30030

// Why a change is refused.
var (
	ErrFull    = errors.New("as many endpoints are registered as the platform carries: wait until some leave, or add a node")
	ErrCluster = errors.New("the cluster has no place left for one more registration: wait until some leave, or see `turnpike licence status` for who has them")
	ErrLicence = errors.New("no licence is left for one more registration: wait until some leave, or add an option key")
	ErrWaits   = errors.New("other peers of the cluster may have room for one more registration: it is asked again when they have said so")
	ErrMany    = errors.New("the name has as many contacts as it may have")
	ErrTaken   = errors.New("another endpoint has registered the alias")
	ErrUnknown = errors.New("no such registration: see `turnpike registration list`")
)

// Reason is why a binding went.
type Reason string

// Reasons, as the event log says them (facts A8).
const (
	Expired    Reason = "expired"
	Left       Reason = "unregistered"
	Removed    Reason = "removed by the operator"
	Superseded Reason = "superseded"
	FlowFailed Reason = "connection lost"
	Revoked    Reason = "authentication changed"
)

// Event is a change of the table. Why is empty for a binding that came.
type Event struct {
	Binding *Binding
	Why     Reason
	was     *Binding // of a refresh, which Renewed is told
}

// Limits is how many bindings a node holds (CA-01); 0 of one is no limit.
type Limits struct {
	Local   int
	Proxied int
}

// Capacity is where bindings take their places from: one of the platform each, and a
// licence for each alias (CA-01, facts A3). It is called with the table locked.
type Capacity interface {
	// Take takes what the new bindings of a request need, or nothing: ErrFull where the platform has no place for one,
	// ErrCluster where all peers together have none, ErrLicence where no licence is left. Who is patient gets an error that
	// is ErrWaits, and says for what, where other peers of the cluster may have some.
	Take(patient bool, seats ...Seat) error
	// Keep takes for one that is there already, also beyond the limits.
	Keep(d licensing.Device, aliases int, proxied bool)
	// Give gives back.
	Give(d licensing.Device, aliases int, proxied bool)
	// Room says whether the platform has a place left.
	Room(proxied bool) bool
}

// Counts is how many bindings there are, those that expired a moment ago included.
type Counts struct {
	Local   int `json:"local"`
	Proxied int `json:"proxied"`
	// Peak is the most local ones there were at a time.
	Peak int `json:"peak"`
	// Refused counts registrations that were one too many.
	Refused uint64 `json:"refused"`
}

// Alarms is control/alarms.
type Alarms interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

// Config is what a Table needs. Each field may be left out.
type Config struct {
	Limits func() Limits // asked at each new binding
	// Capacity, if set, decides instead of Limits.
	Capacity Capacity
	Alarms   Alarms
	// Told is told of what came and went. It must not call the table's changing methods.
	Told func(Event)
	// Renewed is told of refreshes, whatever they changed. It must not call them either.
	Renewed func(was, is *Binding)
	// File keeps the bindings over a restart of the process; empty: nothing does. Failed is
	// told when it cannot be written, once until it can.
	File   string
	Failed func(error)
}

var _ dialplan.Registrations = (*Table)(nil)

// Table is all bindings of a node.
type Table struct {
	cfg Config

	mu       sync.RWMutex
	lastID   uint64
	byName   map[string][]*entry
	byID     map[uint64]*entry
	bySerial map[Serial]*entry
	byOrigin map[origin]*entry // the first of a chain
	due      deadlines
	counts   Counts
	reserved int                 // places of what is not confirmed
	full     bool                // the alarm stands
	changed  bool                // since it was kept
	fresh    map[uint64]struct{} // IDs of what has changed since that was written beside it

	// Of Run's goroutine.
	failing bool   // to keep it
	number  uint64 // of the file
	later   later
}

// New returns an empty table.
func New(cfg Config) *Table {
	if cfg.Limits == nil {
		cfg.Limits = func() Limits { return Limits{} }
	}
	if cfg.Capacity == nil {
		cfg.Capacity = &counted{limits: cfg.Limits}
	}
	return &Table{
		cfg:    cfg,
		byName: map[string][]*entry{}, byID: map[uint64]*entry{}, bySerial: map[Serial]*entry{}, byOrigin: map[origin]*entry{},
		fresh: map[uint64]struct{}{}, later: later{name: cfg.File + ".later"},
	}
}

// Run removes what has expired and keeps the rest, until ctx ends.
func (t *Table) Run(ctx context.Context) error {
	tick, save := time.NewTicker(time.Second), time.NewTicker(keepEvery)
	defer tick.Stop()
	defer save.Stop()
	defer t.later.end()
	t.keep()
	for {
		select {
		case <-ctx.Done():
			t.keep()
			return nil
		case <-tick.C:
			t.expire()
			t.keepLater()
		case <-save.C:
			t.keep()
		}
	}
}

// Counts returns how many bindings there are.
func (t *Table) Counts() Counts {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.counts
}

func (t *Table) tell(events []Event) {
	for _, e := range events {
		switch {
		case e.was != nil && t.cfg.Renewed != nil:
			t.cfg.Renewed(e.was, e.Binding)
		case e.was == nil && t.cfg.Told != nil:
			t.cfg.Told(e)
		}
	}
}
