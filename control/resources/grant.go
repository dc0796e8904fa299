package resources

import (
	"sync"
	"time"

	"turnpike.dev/turnpike/control/admission"
)

// tries is how often a call is decided again when others took meanwhile what it was to
// have.
const tries = 8

// Grant is what a call has. Its methods may be called from any goroutine.
type Grant struct {
	r      *Resources
	id     uint64
	serial string

	mu    sync.Mutex
	has   *held // nil: released
	taken admission.Grant
	until time.Time // of a recovered one that nobody has adopted
}

// Admit gives a call all that it wants, or a *Refusal.
func (r *Resources) Admit(serial string, w Want) (*Grant, error) {
	if len(w.Ways) == 0 {
		return nil, &Refusal{Why: NoWay, At: "the call leads nowhere"}
	}
	g := &Grant{r: r, id: r.lastID.Add(1), serial: serial}
	g.mu.Lock()
	defer g.mu.Unlock()
	if refused := g.take(&w, g.admit); refused != nil {
		return nil, refused
	}
	r.mu.Lock()
	r.grants[g.id] = g
	r.mu.Unlock()
	r.deps.Journal.put(g) // last: a journal that is being rewritten looks at the grants
	return g, nil
}

// Change gives a call what it wants now instead of what it has, or returns a *Refusal:
// then nothing has changed. What asks for no more than it has never fails.
func (g *Grant) Change(w Want) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.has == nil {
		return &Refusal{Why: Ended}
	}
	if refused := g.take(&w, g.taken.Change); refused != nil {
		return refused
	}
	g.r.deps.Journal.put(g)
	return nil
}

// Release gives everything back, once. Any goroutine may call it, and again.
func (g *Grant) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.has == nil {
		return
	}
	g.release()
}

// release gives back what a locked grant has.
func (g *Grant) release() {
	g.has = nil
	g.r.mu.Lock()
	delete(g.r.grants, g.id)
	g.r.mu.Unlock()
	g.taken.Release()
	g.r.deps.Journal.gone(g.id)
}

// Granted says what the call has: nothing when it was released.
func (g *Grant) Granted() Granted {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.has == nil {
		return Granted{}
	}
	return g.granted()
}

// granted says what a locked grant has.
func (g *Grant) granted() Granted {
	out := g.has.granted()
	g.r.changing.RLock()
	defer g.r.changing.RUnlock()
	out.Police = g.has.police()
	return out
}

// Serial names the call.
func (g *Grant) Serial() string { return g.serial }

func (g *Grant) admit(demand []admission.Amount) (short *admission.Counter) {
	return g.r.admission.AdmitTo(&g.taken, demand)
}

// take decides and takes. Between the two others may take what the decision counted
// with: then it is made again with what is left.
func (g *Grant) take(w *Want, from func([]admission.Amount) *admission.Counter) *Refusal {
	var short admission.Amount
	for range tries {
		var refused *Refusal
		refused, short = g.attempt(w, from)
		switch {
		case refused != nil:
			return g.r.count(w, refused, short)
		case short.Of == nil:
			return nil
		case short.Of == g.r.limits.calls || !w.Patient && g.r.whole(short.Of):
			return g.r.count(w, g.r.refused(short.Of), short)
		}
	}
	return g.r.count(w, g.r.refused(short.Of), short)
}

// attempt decides and takes once. It returns why the call has nothing, or of what there was too little by then.
func (g *Grant) attempt(w *Want, from func([]admission.Amount) *admission.Counter) (*Refusal, admission.Amount) {
	r := g.r
	r.changing.RLock()
	defer r.changing.RUnlock()
	turn := r.awaiting.turn.Load() // before anything is looked at
	h, refused := r.decide(w, g.has)
	if refused != nil {
		return refused, admission.Amount{}
	}
	if w.Patient && r.lending.lease != nil {
		if refused, short := r.patient(h, g.has, turn); refused != nil {
			return refused, short
		}
	}
	short := from(h.amounts)
	if short == nil {
		g.has = h
		return nil, admission.Amount{}
	}
	n := h.amount(short)
	return nil, admission.Amount{Of: short, N: n - min(n, g.has.amount(short))}
}

// whole says that there is no getting along with less of something: it is of no use to decide again.
func (r *Resources) whole(short *admission.Counter) bool {
	return short == r.limits.whole.calls || short == r.limits.rms
}
