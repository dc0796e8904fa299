// Package rows spreads what each peer knows to all others: registrations and usage.
//
// It exists so that a search is answered from this node's memory (RG-01, RG-09) and no two
// peers ever write the same thing. Each row has one writer, the peer that holds the binding: its table
// is numbered change by change, and the others follow, by a snapshot and then the tail. What
// a reader has is at every moment the owner's table as it was at one of its numbers, deletes
// included, and a digest checks it. Rows of a lost peer are hidden at once, and end when
// their time to live is over; refreshes are not spread, so that it counts from the loss.
//
// Nothing is queued for a reader: the owner keeps its last changes once, and each reader has a place
// in them. Who falls behind them gets a snapshot. Which of two rows of one key is the newer is
// asked of who uses the package: keys and values are opaque.
//
// It is a pure core: Step(now, event) → actions.
package rows

import (
	"errors"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Key names a row: for registrations (AOR, instance, reg-id).
type Key string

// Seq numbers the changes of one incarnation's table, from 1.
type Seq uint64

// Row is what a peer says under a key.
type Row struct {
	Value string
	// TTL is how long it holds once its owner is lost; 0: as long as the owner is there.
	TTL time.Duration
}

// Change is one change of a table.
type Change struct {
	Key  Key
	Row  Row
	Gone bool
}

// Bounds of what is taken from the wire and of what is kept.
const (
	MaxRows  = 100_000 // of one owner
	MaxKey   = 1 << 10
	MaxValue = 16 << 10
)

// ErrTooLarge says that a row does not fit.
var ErrTooLarge = errors.New("the row is larger than what peers take")

// ErrTooMany says that a table is full.
var ErrTooMany = errors.New("the table has as many rows as peers take")

// Config is what a core is made of.
type Config struct {
	Self        cluster.ID
	Incarnation cluster.Incarnation
	// Rows are those that were recovered: they are there before anybody hears of this incarnation,
	// so that nobody sees an empty table in between.
	Rows map[Key]Row
	// Newer says that the value a takes the place of b under one key; nil: the owner's name decides.
	Newer func(a, b string) bool
	// Log is how many changes are kept for readers that are behind; 0: 8192.
	Log int
	// Bytes is about how much goes into one message; 0: 48 KiB.
	Bytes int
}

// Event is what happens to the core.
type Event interface{ event() }

// Put writes a row of this node's own.
type Put struct {
	Key Key
	Row Row
}

// Delete removes a row of this node's own.
type Delete struct{ Key Key }

// Members are all other peers: with them rows are exchanged, what others had is forgotten.
type Members struct{ Peers []cluster.ID }

// Alive says that a peer is there (liveness).
type Alive struct{ Peer cluster.ID }

// Lost says that a peer is not there.
type Lost struct{ Peer cluster.ID }

// Remake is the operator's word that the copy of a peer's table is made anew (OP-05).
type Remake struct{ Peer cluster.ID }

// Received is a message of a peer: a Head, a Tail or a Part.
type Received struct {
	From    cluster.ID
	Message any
}

// Tick says that time has passed. What was written is sent at the next one: it comes every 20 to 50 ms.
type Tick struct{}

func (Put) event()      {}
func (Delete) event()   {}
func (Members) event()  {}
func (Alive) event()    {}
func (Lost) event()     {}
func (Remake) event()   {}
func (Received) event() {}
func (Tick) event()     {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Send sends a message to a peer. One that cannot be sent may be thrown away.
type Send struct {
	To      cluster.ID
	Message any
}

// Changed says that another row, or none, is the one that counts under a key.
type Changed struct {
	Key   Key
	Found bool
	Owner cluster.ID
	Row   Row
}

// Superseded says that a row of this node's own does not count any more: By has a newer one.
// Whoever wrote it should delete it.
type Superseded struct {
	Key Key
	By  cluster.ID
}

// Resynchronised says that the copy of a peer's table is made anew.
type Resynchronised struct {
	Owner cluster.ID
	Why   string
}

// Refused says that a row was not written, or a peer's message not taken.
type Refused struct {
	Key   Key        // of a row of one's own
	Owner cluster.ID // whose message it was
	Err   error
}

func (Send) action()           {}
func (Changed) action()        {}
func (Superseded) action()     {}
func (Resynchronised) action() {}
func (Refused) action()        {}

// Head says how far a table is and how far its reader is with the other's. It goes to each
// peer every half second and whenever a reader has something to say.
type Head struct {
	N           uint64 // counts the heads of this incarnation: older ones are not listened to
	Incarnation cluster.Incarnation
	Seq         Seq
	Digest      Digest // of the table at Seq
	Has         Has
}

// Has is what a reader has of a table.
type Has struct {
	Of  cluster.Incarnation // whose table; 0: nothing yet
	Seq Seq                 // complete up to this change
	// A snapshot of the table at At is being taken; so many parts are there.
	At    Seq
	Parts int
}

// Tail are changes in order, the first is number After + 1.
type Tail struct {
	Incarnation cluster.Incarnation
	After       Seq
	Changes     []Change
}

// Part is a piece of the table as it was at a change.
type Part struct {
	Incarnation cluster.Incarnation
	At          Seq
	Index, Of   int
	Rows        []Change // none is Gone
}
