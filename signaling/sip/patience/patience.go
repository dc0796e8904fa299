// Package patience holds requests while other peers of the cluster are asked for what is short here (LI-06, BW-05).
//
// It exists because a registration or a call must not be refused, or get less than it asks for, while a peer has
// licences or bandwidth that nobody uses there; and because whoever decides about it must not wait: its shard goes on with
// everything else, and tries again when the cluster has lent more or has said that there is none. For how long that
// may take is control/resources' to say; here is who waits, and what became of those who did.
package patience

import (
	"errors"
	"time"

	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/shard"
)

// longest is longer than anybody has to wait: whoever was not called by then, because the shard had no room for the
// call, tries again by itself.
const longest = 7 * time.Second

// Await has a request tried again when there may be more here of what it was short of (resources.Resources.Await).
type Await func(w *resources.Waiter, of *resources.Shortage, again func()) bool

// Patience is what a node's requests wait with. Its methods may be called on any shard; a nil one lets nobody wait.
type Patience struct {
	await  Await
	counts counts
}

// New returns one.
func New(await Await) *Patience { return &Patience{await: await} }

// Wait is one request's. The zero value has not waited. It belongs to a shard.
type Wait struct {
	waiter resources.Waiter
	since  time.Time // when it was held first; zero: it was not
	timer  *shard.Timer
	turn   int
	again  func() // nil: it is not held
}

// Continue returns the Wait of a request that has waited for so long at another peer: it waits for what is left.
func Continue(waited time.Duration) Wait { return Wait{waiter: resources.Waiter{Waited: waited}} }

// Waits says whether the request is held.
func (w *Wait) Waits() bool { return w.again != nil }

// Hold has again called, once and on the shard, when what was refused with an error may be tried again. False: no other
// peer has what it is short of, it has waited as long as it may, or nobody lends anything here; it is decided by what is here.
func (p *Patience) Hold(w *Wait, on *shard.Shard, refused error, again func()) bool {
	var short *resources.Shortage
	if p == nil || !errors.As(refused, &short) {
		return false
	}
	w.turn++
	turn := w.turn
	wake := func() { // by the cluster or by the timer, whichever is first
		if w.turn == turn && w.again != nil {
			w.stop()
			again()
		}
	}
	if !p.await(&w.waiter, short, func() { on.Post(wake) }) {
		return false
	}
	if w.again, w.timer = again, on.After(longest, wake); w.since.IsZero() {
		w.since = on.Now()
	}
	return true
}

func (w *Wait) stop() {
	w.timer.Stop()
	w.timer, w.again = nil, nil
}

// Over says how a request ended that may have waited: it is decided, or was given up while it waited. Nobody is called any
// more. Another request may wait with it then. It returns how long the request waited here.
func (p *Patience) Over(w *Wait, how Outcome) (waited time.Duration) {
	if p == nil {
		return 0
	}
	if w.since.IsZero() { // what another peer held it for is this request's alone
		*w = Wait{turn: w.turn}
		return 0
	}
	w.stop()
	w.waiter.Stop()
	waited = time.Since(w.since)
	p.counts.over(waited, how)
	*w = Wait{turn: w.turn + 1}
	return waited
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
