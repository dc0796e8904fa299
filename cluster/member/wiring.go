package member

import (
	"maps"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/pool"
)

// Wiring turns what a ledger's core asks for into calls, and lets it hear what they come to. It belongs to one goroutine. A
// test that joins cores without a mesh has the same.
type Wiring struct {
	Self   cluster.ID
	Core   *ledger.Core // nil: nothing is heard
	Shares Shares
	// Boot reads the clock that goes on while the machine sleeps.
	Boot func() time.Duration
	// Send hands a message to another peer.
	Send func(to cluster.ID, message any)
	// Propose hands an entry to the agreement. Who does not lead any more proposes nothing; what got lost ends a term.
	Propose func(ledger.Entry)

	begun bool           // there was a lease
	told  []ledger.Event // what the core is to hear yet
}

// Begun says whether there was ever a lease.
func (w *Wiring) Begun() bool { return w.begun }

// Hear lets the core hear an event and what follows from it here, one after the other.
func (w *Wiring) Hear(e ledger.Event) {
	if w.Core == nil {
		return
	}
	w.told = append(w.told, e)
	if len(w.told) > 1 {
		return // who is at it goes on with it
	}
	for len(w.told) > 0 {
		for _, a := range w.Core.Step(w.Boot(), w.told[0]) {
			w.do(a)
		}
		w.told = w.told[1:]
	}
}

func (w *Wiring) do(a ledger.Action) {
	switch a := a.(type) {
	case ledger.Send:
		if a.To == w.Self {
			w.told = append(w.told, ledger.Received{From: w.Self, Message: a.Message})
		} else {
			w.Send(a.To, a.Message)
		}
	case ledger.Propose:
		w.Propose(a.Entry)
	case ledger.Leased:
		w.Shares.Leased(a.Resource, a.Leased)
	case ledger.Raise:
		w.Shares.Raise(a.Resource, a.To)
	case ledger.Lower:
		w.told = append(w.told, ledger.Lowered{Resource: a.Resource, To: w.Shares.Lower(a.Resource, a.To)})
	case ledger.Lease:
		w.begun = true
		w.Shares.Lease(a.Until)
	case ledger.Denied:
		w.Shares.Denied(a.Resource, a.Asked)
	}
}

// Of returns how much there is of everything, when all together bring so many licences.
func (o Offer) Of(all pool.Amounts) map[ledger.Resource]ledger.Total {
	out := make(map[ledger.Resource]ledger.Total, len(all)+len(o.Totals))
	for r, n := range all {
		if most, cut := o.Most[r]; cut {
			n = min(n, most)
		}
		out[r] = ledger.Total{Amount: n, Policy: o.Policy}
	}
	maps.Copy(out, o.Totals)
	return out
}
