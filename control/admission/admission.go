// Package admission takes what a call needs, all of it or nothing.
//
// It exists so that the decision is local and exact at the same time: a call takes its
// whole set (capacity, licence, subzones, pipes) from atomics of this process, in a fixed
// order, and never more than the ceilings allow, whoever admits beside it and however the
// ceilings move. Where ceilings come from is the Ledger's matter: on a single node they
// are the totals, in a cluster this node's share of them (LI-06, BW-05). Nothing here
// waits or asks anybody.
package admission

// Amount is a share of one counter. Amounts of a demand name each counter once.
type Amount struct {
	Of *Counter
	N  uint32
}

// Ledger moves ceilings. It is told of refusals, so that it may raise a ceiling before
// the next call comes; it must not block.
type Ledger interface {
	// Short says that n more than there is were wanted of a counter.
	Short(c *Counter, n uint32)
}

// Admission admits calls. Any number of goroutines may use it.
type Admission struct{ ledger Ledger }

// New returns an admission. Without a ledger nobody is told what was short.
func New(l Ledger) *Admission { return &Admission{ledger: l} }

// Admit takes all amounts, in their order, or none. Where it returns no grant, short is the
// counter that had too little. The grant keeps demand.
func (a *Admission) Admit(demand []Amount) (g *Grant, short *Counter) {
	g = &Grant{}
	if short := a.AdmitTo(g, demand); short != nil {
		return nil, short
	}
	return g, nil
}

// AdmitTo is Admit for a grant that is part of the caller's own memory and has nothing:
// it does not allocate.
func (a *Admission) AdmitTo(g *Grant, demand []Amount) (short *Counter) {
	if short := a.takeAll(demand); short != nil {
		return short
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admission, g.has = a, demand
	return nil
}

// Take takes all amounts, in their order, or none, for somebody who remembers them. short
// is the counter that had too little.
func (a *Admission) Take(demand ...Amount) (short *Counter) { return a.takeAll(demand) }

// Keep takes amounts also beyond the ceilings: what is there already, of an earlier
// process. Nothing new is admitted until use has fallen below them again. Where a counter
// cannot hold so much nothing is taken, and it is short.
func (a *Admission) Keep(amounts ...Amount) (short *Counter) {
	for i, d := range amounts {
		if !d.Of.keep(d.N) {
			giveAll(amounts[:i])
			return d.Of
		}
	}
	return nil
}

// Give gives back what Take or Keep took.
func (a *Admission) Give(amounts ...Amount) { giveAll(amounts) }

// KeepTo is Keep for a grant that has nothing.
func (a *Admission) KeepTo(g *Grant, amounts []Amount) (short *Counter) {
	if short := a.Keep(amounts...); short != nil {
		return short
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admission, g.has = a, amounts
	return nil
}

func (a *Admission) takeAll(demand []Amount) (short *Counter) {
	if short := over(demand); short != nil {
		return short // the ledger knows: it would have made the lease longer
	}
	for i, d := range demand {
		if d.Of.take(d.N) {
			continue
		}
		giveAll(demand[:i])
		if a.ledger != nil {
			a.ledger.Short(d.Of, d.N)
		}
		return d.Of
	}
	return nil
}

func giveAll(amounts []Amount) {
	for i := len(amounts) - 1; i >= 0; i-- {
		amounts[i].Of.give(amounts[i].N)
	}
}
