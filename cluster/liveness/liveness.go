// Package liveness says which peers of a cluster are there.
//
// It exists as a part of its own so that there is one opinion of it in a node: the rows that
// are hidden, the ceilings that are freed, the alarm and the table that an operator reads all
// follow the same word. A peer counts as there while heartbeats go both ways. What counts is
// when the newest heartbeat was sent that the peer has confirmed: a peer that is heard
// but does not hear is lost on both sides, and what waited long in a queue proves nothing.
//
// It is a pure core: Step(now, event) → actions.
package liveness

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Times of the heartbeats.
const (
	// Interval is how often a heartbeat goes to each peer.
	Interval = 500 * time.Millisecond
	// SuspectAfter is how long a peer may be silent and is not avoided.
	SuspectAfter = 2 * time.Second
	// LostAfter is how long it may be silent and counts as there.
	LostAfter = 5 * time.Second
	// late is how long this node may not have run until it blames itself for the silence of others.
	late = time.Second
	// remembered is how many heartbeats can still be confirmed: more than are sent in LostAfter.
	remembered = 16
	// maxText bounds what a peer says of itself.
	maxText = 255
)

// State is what this node thinks of a peer.
type State uint8

// States. A peer is Unknown until heartbeats went both ways for the first time.
const (
	Unknown State = iota
	Active
	Suspect
	Lost
)

// String returns the state as logs say it.
func (s State) String() string {
	return [...]string{"unknown", "active", "suspect", "lost"}[s]
}

// Beat is a heartbeat.
type Beat struct {
	Incarnation cluster.Incarnation // of who sends it
	Seq         uint64              // counts the heartbeats of this incarnation
	// Echo is the newest heartbeat that was heard from who gets this one, of the incarnation
	// EchoOf, and Held is how long ago that was.
	Echo   uint64
	EchoOf cluster.Incarnation
	Held   time.Duration
	// Leaving: it is the last one, this process ends on purpose.
	Leaving bool
}

// Event is what happens to the core.
type Event interface{ event() }

// List is the list of peers of the configuration, in its order (CL-01).
type List struct {
	Addresses []string
	Own       int // which of them is this node, from 0; -1: none
}

// Tick says that time has passed. It comes a few times within an Interval.
type Tick struct{}

// Heard is a heartbeat on a connection with an entry of the list, from the node that
// proved to be From.
type Heard struct {
	Address  string
	From     cluster.ID
	Name     string // the peer's system name
	Resolved string // what Address stood for when it was dialled
	Beat     Beat
}

// Failed says that an entry of the list could not be reached.
type Failed struct{ Address, Why string }

// Closed says that the connection with a peer broke. It is suspect until it is heard again.
type Closed struct{ From cluster.ID }

// Certificate is what was found of the certificate of an entry (CL-05); Fault is empty where it is valid.
type Certificate struct{ Address, Fault string }

// Leave says that this process is about to end.
type Leave struct{}

func (List) event()        {}
func (Tick) event()        {}
func (Heard) event()       {}
func (Failed) event()      {}
func (Closed) event()      {}
func (Certificate) event() {}
func (Leave) event()       {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Send sends a heartbeat to an entry of the list, if there is a connection with it.
type Send struct {
	Address string
	Beat    Beat
}

// Changed says that a peer is thought of differently.
type Changed struct {
	Peer     cluster.ID
	Address  string
	From, To State
	Why      string
}

// Restarted says that a peer runs anew: what its process had in memory is gone.
type Restarted struct {
	Peer     cluster.ID
	From, To cluster.Incarnation
}

// Duplicate says that two entries of the list are the same node, or one is this node
// itself (alarm 20003). The second is not listened to.
type Duplicate struct {
	Peer          cluster.ID
	Address, Also string
}

func (Send) action()      {}
func (Changed) action()   {}
func (Restarted) action() {}
func (Duplicate) action() {}
