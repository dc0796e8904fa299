package resources

import (
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
)

// most is what is left for a call that would rather wait: of what other peers may have more, all that there is.
type most struct {
	of bandwidth.Use
	r  *Resources
}

// Left implements bandwidth.Use.
func (w most) Left(id bandwidth.ID) (kbps int, limited bool) {
	if kbps, limited, ok := w.r.hopeful(id); ok {
		return kbps, limited
	}
	return w.of.Left(id)
}

// mostOfNew is most for a call that has nothing yet: Resources themselves, so that nothing is allocated.
type mostOfNew Resources

// Left implements bandwidth.Use.
func (w *mostOfNew) Left(id bandwidth.ID) (kbps int, limited bool) {
	r := (*Resources)(w)
	if kbps, limited, ok := r.hopeful(id); ok {
		return kbps, limited
	}
	return r.rules.Left(id)
}

// hopeful is what there is of an object of which other peers may have more; ok false: they have not.
func (r *Resources) hopeful(id bandwidth.ID) (kbps int, limited, ok bool) {
	o := r.rules.objects[id]
	if o.counter == nil {
		return 0, false, true
	}
	if o.part.hopeful() {
		return int(o.part.total), true, true
	}
	return 0, false, false
}

// lack is what somebody is short of.
type lack struct {
	part *part
	n    uint32
}

// lacking lists what is short of some amounts beside what a call has already. never is the first of it that other peers
// have no more of; nil: they may have all of it. changing is held.
func (r *Resources) lacking(amounts []admission.Amount, had *held) (lacks []lack, never *admission.Amount) {
	var look admission.Look
	for _, a := range amounts {
		n := a.N - min(a.N, had.amount(a.Of))
		if n == 0 {
			continue
		}
		if left, usable := look.Usable(a.Of); usable && left >= n {
			continue
		}
		p := r.lending.of[a.Of]
		if !p.hopeful() {
			return nil, &admission.Amount{Of: a.Of, N: n}
		}
		lacks = append(lacks, lack{p, n})
	}
	return lacks, nil
}

// patient says of what a call wants more than is here while other peers may have some, and tells the ledger of all that at
// once; nil: of nothing. turn was the cluster's last word when the decision began. changing is held.
func (r *Resources) patient(h, had *held, turn uint64) (*Refusal, admission.Amount) {
	lacks, never := r.lacking(h.amounts, had)
	switch {
	case never != nil && never.Of != r.limits.calls && !r.whole(never.Of):
		return nil, admission.Amount{} // it is decided again, with less
	case never != nil:
		r.tell(never.Of, never.N)
		return r.refused(never.Of), *never
	case len(lacks) == 0:
		return nil, admission.Amount{}
	}
	for _, l := range lacks {
		r.tell(l.part.counter, l.n)
	}
	first := admission.Amount{Of: lacks[0].part.counter, N: lacks[0].n}
	out := r.refused(first.Of)
	out.Waits = &Shortage{lacks, turn}
	return out, first
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

// hopes lists what is short of some amounts where other peers may have all of it: who was refused them waits for it. The
// ledger has heard of what was short first, and hears of the rest. room: nothing is short any more.
func (r *Resources) hopes(amounts []admission.Amount, told *admission.Counter, turn uint64) (waits *Shortage, room bool) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if r.lending.lease == nil {
		return nil, false
	}
	lacks, never := r.lacking(amounts, nil)
	if never != nil || len(lacks) == 0 {
		return nil, never == nil
	}
	for _, l := range lacks {
		if l.part.counter != told {
			r.tell(l.part.counter, l.n)
		}
	}
	return &Shortage{lacks, turn}, false
}

// amount is how much a call has of a counter.
func (h *held) amount(c *admission.Counter) uint32 {
	if h == nil {
		return 0
	}
	return amountOf(h.amounts, c)
}

// amountOf is how much of a counter is among some amounts.
func amountOf(amounts []admission.Amount, c *admission.Counter) uint32 {
	for _, a := range amounts {
		if a.Of == c {
			return a.N
		}
	}
	return 0
}
