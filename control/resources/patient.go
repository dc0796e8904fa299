package resources

import (
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
)

// most is what is left for a call that would rather wait: of what other peers may have more, all that there is.
type most struct {
	of  bandwidth.Use
	r   *Resources
	now time.Time
}

// Left implements bandwidth.Use.
func (w most) Left(id bandwidth.ID) (kbps int, limited bool) {
	o := w.r.rules.objects[id]
	if o.counter == nil {
		return 0, false
	}
	if o.part.hopeful(w.now) {
		return int(o.part.total), true
	}
	return w.of.Left(id)
}

// patient says of what a call wants more than is here while other peers may have some, and tells the ledger of all that at
// once; nil: of nothing. changing is held.
func (r *Resources) patient(h, had *held) *Refusal {
	now := time.Now()
	var first *part
	for _, a := range h.amounts {
		n := a.N - min(a.N, had.amount(a.Of))
		if n == 0 {
			continue
		}
		p := r.lending.of[a.Of]
		if left, usable := a.Of.Usable(); usable && left >= n {
			continue
		}
		if !p.hopeful(now) { // what others have is of no use
			if a.Of != r.limits.calls && !r.whole(a.Of) {
				return nil // it is decided again, with less
			}
			r.tell(a.Of, n)
			return r.refused(a.Of)
		}
		if first == nil {
			first = p
		}
	}
	if first == nil {
		return nil
	}
	var short []*part
	for _, a := range h.amounts {
		n := a.N - min(a.N, had.amount(a.Of))
		if left, usable := a.Of.Usable(); n > 0 && (!usable || left < n) {
			short = append(short, r.lending.of[a.Of])
			r.tell(a.Of, n)
		}
	}
	r.awaiting.refused(short)
	out := r.refused(first.counter)
	out.Waits = true
	return out
}

func (r *Resources) tell(c *admission.Counter, n uint32) {
	if r.deps.Ledger != nil {
		r.deps.Ledger.Short(c, n)
	}
}

// refused is the refusal of what had too little of something.
func (r *Resources) refused(short *admission.Counter) *Refusal {
	switch short {
	case r.limits.calls, r.limits.whole.calls:
		return &Refusal{Why: OverCapacity}
	case r.limits.rms:
		return &Refusal{Why: NoLicence}
	}
	return &Refusal{Why: OverTotal, At: short.Name()}
}

// hopes says that all that is short of some amounts other peers may have: who was refused them waits for it.
func (r *Resources) hopes(amounts []admission.Amount) bool {
	now := time.Now()
	r.changing.RLock()
	defer r.changing.RUnlock()
	if r.lending.lease == nil {
		return false
	}
	var short []*part
	for _, a := range amounts {
		if left, usable := a.Of.Usable(); usable && left >= a.N || a.N == 0 {
			continue
		}
		p := r.lending.of[a.Of]
		if !p.hopeful(now) {
			return false
		}
		short = append(short, p)
	}
	r.awaiting.refused(short)
	return true
}

// countShort counts a refusal for want of something that stands.
func (r *Resources) countShort(c *admission.Counter) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if p := r.lending.of[c]; p != nil {
		p.refused.Add(1)
	}
}

// amount is how much a call has of a counter.
func (h *held) amount(c *admission.Counter) uint32 {
	if h == nil {
		return 0
	}
	for _, a := range h.amounts {
		if a.Of == c {
			return a.N
		}
	}
	return 0
}
