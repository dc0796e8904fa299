// Package membership says who belongs to the cluster: how it is founded, who joins it, who
// leaves it, and what becomes of it when too few are left to agree.
//
// It exists because the agreement between peers (raft) knows voters only, and every step that makes or
// unmakes one has a window in which the process may die. A cluster has a random id; each time that a
// history of the agreement ends and another one begins, a new id is minted, and who carries the same id
// has properly joined (CL-02). Nobody else is sent rows or configuration, and no raft stream runs
// between peers whose ids differ: two histories that follow each other would diverge silently.
//
// It is a pure core: Step(now, event) → actions. cluster/agreement does what it asks for.
package membership

import (
	"slices"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
)

// MaxEarlier bounds the ids that a cluster remembers of its histories before.
const MaxEarlier = 64

// Stored is what a node keeps on its disk: all of it or what was there before.
type Stored struct {
	// Cluster is the id that the node carries; empty: it belongs to no cluster.
	Cluster string
	// Earlier are the ids of the histories before, the newest first. Who comes with one of them was a
	// member once, and need not be reset.
	Earlier []string
	// Decision is the operator's last decision about the primary that this history takes account of.
	Decision uint64
}

// IDs are those of this history and of the ones before it.
func (s Stored) IDs() []string {
	if s.Cluster == "" { // what an operator's purge has left is known still (OP-06)
		return s.Earlier
	}
	return append([]string{s.Cluster}, s.Earlier...)
}

// knows says whether a node with these ids was a member of this history, or of one that both come from.
func (s Stored) knows(had []string) bool {
	return slices.ContainsFunc(s.IDs(), func(id string) bool { return slices.Contains(had, id) })
}

// after returns the ids that come before a new one, bounded.
func after(id string, before ...[]string) []string {
	var out []string
	for _, e := range slices.Concat(before...) {
		if e != id && len(out) < MaxEarlier && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// Voter is a member of the agreement, and the entry of the list that it stood at when it was added
// or last heard.
type Voter struct {
	ID      cluster.ID
	Address string
}

// Event is what happens to the core.
type Event interface{ event() }

// Configured are the node's own settings. It comes at the start and with each change.
type Configured struct {
	Settings settings.Settings
	Own      int // which entry of the list is this node, from 0; -1: none
	// Decision counts the operator's changes of the primary on this node.
	Decision uint64
	// Reset says that the node holds nothing but what its node file says, or that the operator has
	// agreed to lose it: it may be replaced by the primary's (CL-02).
	Reset bool
}

// Rules says how this node stands to the configuration (cluster/revisions).
type Rules struct {
	Acting bool
	Reign  revisions.Reign
}

// Hello is what a peer says of itself on a connection with an entry of the list.
type Hello struct {
	Peer     cluster.ID
	Address  string // the entry
	Cluster  string // the id that it carries; empty: none
	Settings settings.Settings
	Rules    Rules
}

// Reachable says whether a peer is there (liveness).
type Reachable struct {
	Peer cluster.ID
	Is   bool
}

// Ask asks for the way into the cluster.
type Ask struct {
	// Had are the id that it carries and those before it, the newest first; empty: none.
	Had      []string
	Reset    bool
	Settings settings.Settings
}

// Answer is what a node that asks is told.
type Answer struct {
	// Stored is what it is to keep; its Cluster is empty where it was not admitted.
	Stored
	// Again: nothing is wrong with it, it may ask again soon.
	Again bool
	// Refused says why, for people.
	Refused string
}

// Asked is an Ask of a peer; an Answer action goes back.
type Asked struct {
	From cluster.ID
	Ask  Ask
}

// Answered is what came of an own Ask. Err is set where nothing came.
type Answered struct {
	From   cluster.ID
	Answer Answer
	Err    error
}

// Agreed is how the agreement stands. It comes at the start and whenever something of it changed.
type Agreed struct {
	Cluster string // whose history it is
	// Leader is who leads; empty: nobody known.
	Leader cluster.ID
	// Voters and Removed are as far as this node knows them. A removed peer must be reset to join again.
	Voters  []Voter
	Removed []cluster.ID
}

// Wrote says that a step is durable, and the agreement runs by it.
type Wrote struct{ Stored Stored }

// WriteFailed says that it could not be made.
type WriteFailed struct{ Err error }

// Tick says that time has passed. It comes a few times within a second.
type Tick struct {
	// Fresh is an id that was never used: a history that begins now takes it.
	Fresh string
}

func (Configured) event()  {}
func (Rules) event()       {}
func (Hello) event()       {}
func (Reachable) event()   {}
func (Asked) event()       {}
func (Answered) event()    {}
func (Agreed) event()      {}
func (Wrote) event()       {}
func (WriteFailed) event() {}
func (Tick) event()        {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Request asks a peer for the way in; Answered follows.
type Request struct {
	To  cluster.ID
	Ask Ask
}

// Reply answers a peer that asked.
type Reply struct {
	To     cluster.ID
	Answer Answer
}

// How says what a step does to the history of the agreement.
type How uint8

// Steps.
const (
	// Found begins the first history, with this node alone.
	Found How = iota
	// Join goes over to another's history, with nothing of what was here.
	Join
	// Recover begins a new history with this node alone, that goes on from what was agreed here.
	Recover
	// Settle changes only what is kept beside the history.
	Settle
)

// Write makes a step, durable and as a whole or not at all; Wrote or WriteFailed follows. What it asks for is
// asked for again if the process dies meanwhile.
type Write struct {
	Stored Stored
	How    How
	// Address is this node's entry of the list, of who is the only voter of a history that begins.
	Address string
	// New: the node joins for the first time. Its replicated configuration is replaced (CL-02).
	New bool
}

// Add makes a peer a voter, or corrects its address. Only the leader is asked for it.
type Add struct{ Voter }

// Remove takes a voter away for good: it must be reset to join again.
type Remove struct{ Peer cluster.ID }

// Drop takes a voter away that has lost what was agreed: it was reset, or went into another history. With an empty
// log and its old vote it could undo what a majority has. Or one that is at no entry, while it may be at one that
// nobody answers at. It may be added again.
type Drop struct{ Peer cluster.ID }

// Readmit takes back that a peer was removed: it was reset.
type Readmit struct{ Peer cluster.ID }

// Transfer hands over the leadership.
type Transfer struct{ To cluster.ID }

// Members are the other peers that have properly joined (CL-02), there or not.
type Members struct{ Peers []cluster.ID }

func (Request) action()  {}
func (Reply) action()    {}
func (Write) action()    {}
func (Add) action()      {}
func (Remove) action()   {}
func (Drop) action()     {}
func (Readmit) action()  {}
func (Transfer) action() {}
func (Members) action()  {}
