// Package patience holds requests while other peers of the cluster are asked for what is short here (LI-06, BW-05).
//
// It exists because a registration or a call must not be refused, or get less than it asks for, while a peer has
// licences or bandwidth that nobody uses there; and because whoever decides about it must not wait: its shard goes on with
// everything else, and tries again when the cluster has lent more or has said that there is none. For how long that
// may take is control/resources' to say; here is who waits, and what became of those who did.
package patience

import (
	"time"

	"turnpike.dev/turnpike/signaling/shard"
)

// longest is longer than anybody has to wait: whoever was not called by then, because the shard had no room for the
// call, tries again by itself.
const longest = 7 * time.Second

// Patience is what a node's requests wait with. Its methods may be called on any shard; a nil one lets nobody wait.
type Patience struct {
	await  func(since time.Time, again func()) bool
	counts counts
}

// New returns one. await has a request tried again when there may be more here, as resources.Resources.Await does.
func New(await func(since time.Time, again func()) bool) *Patience { return &Patience{await: await} }

// Wait is one request's. The zero value has not waited. It belongs to a shard.
type Wait struct {
	since time.Time
	timer *shard.Timer
	turn  int
	again func() // nil: it is not held
}

// Waits says whether the request is held.
func (w *Wait) Waits() bool { return w.again != nil }

// Hold has again called, once and on the shard, when the request may be tried again. False: it has waited as long as it
// may, or nobody lends anything here, and is decided by what is here.
func (p *Patience) Hold(w *Wait, on *shard.Shard, again func()) bool {
	if p == nil {
		return false
	}
	since := w.since
	if since.IsZero() {
		since = on.Now()
	}
	w.turn++
	turn := w.turn
	wake := func() { // by the cluster or by the timer, whichever is first
		if w.turn == turn && w.again != nil {
			w.stop()
			again()
		}
	}
	if !p.await(since, func() { on.Post(wake) }) {
		return false
	}
	w.since, w.again, w.timer = since, again, on.After(longest, wake)
	return true
}

func (w *Wait) stop() {
	w.timer.Stop()
	w.timer, w.again = nil, nil
}

// Over says how a request ended that may have waited: it is decided, or was given up while it waited. Nobody is called any
// more. Another request may wait with it then.
func (p *Patience) Over(w *Wait, how Outcome) {
	if p == nil || w.since.IsZero() {
		return
	}
	w.stop()
	p.counts.over(time.Since(w.since), how)
	*w = Wait{turn: w.turn + 1}
}

// Outcome is what became of a request that waited.
type Outcome uint8

// Outcomes.
const (
	Given   Outcome = iota // it got what it asked for
	Less                   // it got less
	Refused                // it got nothing
	GivenUp                // nobody wanted it any more
	outcomes
)

// String returns the outcome as metrics name it.
func (o Outcome) String() string { return [...]string{"given", "less", "refused", "given_up"}[o] }
