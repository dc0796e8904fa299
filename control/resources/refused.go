package resources

import (
	"sync/atomic"

	"turnpike.dev/turnpike/control/admission"
)

// Cause is why there was not enough of something for a request, as operators tell refusals apart: each of them has
// something else to do about it (docs/cluster.md).
type Cause uint8

// Causes.
const (
	OwnLimit      Cause = iota // all that this node has is in use, and peers have no part in it
	UsedUp                     // all that the cluster has is in use
	Reserved                   // a peer that is not there keeps what would have been enough
	MoreThanTotal              // peers have more than there is: nothing grows until enough has ended
	ThisSide                   // nobody leads the agreement: this side counts for itself, and has no more
	NoMajority                 // nobody leads the agreement, and by the policy strict no share grows then
	NoLease                    // this node is cut off, and may use nothing of it until it is told again that it may
	FirstShare                 // this node has just started, and has not been given anything yet
	NoAnswer                   // what this node has was not enough, and no more came in time
	NoWait                     // what this node has was not enough, and who asked cannot wait for more
	Damaged                    // the node's database is damaged, and by the policy strict nobody tells what is left
	causes                     // how many there are
)

var causeNames = [causes]string{
	"own_limit", "used_up", "reserved", "over_total", "apart", "no_majority", "no_lease", "starting", "no_answer", "no_wait", "damaged",
}

// String returns the name that operators and metrics have for a cause.
func (c Cause) String() string { return causeNames[c] }

// Unmet is what somebody was refused for want of.
type Unmet struct {
	Name string
	N    uint32 // so much more would have been enough
	// Waited: peers were asked, and it was held meanwhile. TURN cannot be, nor what an ACK or a PRACK asks for.
	Waited bool
}

// Causes lists all of them.
func Causes() []Cause {
	out := make([]Cause, causes)
	for i := range out {
		out[i] = Cause(i)
	}
	return out
}

// Refusals are how many requests were refused for want of something since the start, by cause.
type Refusals map[Cause]uint64

// All returns how many they are together.
func (f Refusals) All() (n uint64) {
	for _, of := range f {
		n += of
	}
	return n
}

// tally counts refusals. Any number of goroutines may use it.
type tally [causes]atomic.Uint64

// read returns them; nil: there was none.
func (t *tally) read() (out Refusals) {
	for c := range causes {
		if n := t[c].Load(); n > 0 {
			if out == nil {
				out = Refusals{}
			}
			out[c] = n
		}
	}
	return out
}

// tallies are those of what is this node's alone, by its counter.
type tallies map[*admission.Counter]*tally

func newTallies(l *limits) tallies {
	out := tallies{}
	for _, c := range []*admission.Counter{l.calls, l.registrations, l.proxied, l.relays} {
		out[c] = &tally{}
	}
	return out
}

// Refused returns, of everything that a request was refused for want of, how often and why, by the names of levels and
// parts.
func (r *Resources) Refused() map[string]Refusals {
	r.changing.RLock()
	defer r.changing.RUnlock()
	out := map[string]Refusals{}
	add := func(name string, t *tally) {
		if of := t.read(); of != nil {
			out[name] = of
		}
	}
	for c, t := range r.refusals {
		add(c.Name(), t)
	}
	for _, p := range r.lending.list {
		add(p.name, &p.refused)
	}
	return out
}

// countShort counts a refusal that stands, for want of an amount.
func (r *Resources) countShort(of admission.Amount, waited bool) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if own := r.refusals[of.Of]; own != nil {
		own[OwnLimit].Add(1)
		return
	}
	r.countPart(r.lending.of[of.Of], of.N-min(of.N, of.Of.Left()), waited)
}

// countPart counts one for want of so much of something that may be shared. changing is held.
func (r *Resources) countPart(p *part, n uint32, waited bool) {
	if p == nil || !p.shared {
		return
	}
	cause := OwnLimit
	if r.lending.lease != nil && r.lending.to != nil {
		cause = r.lending.to.Cause(Unmet{p.name, n, waited})
	}
	if p.refused[cause].Add(1); p.object != nil {
		r.refusedBandwidth[cause].Add(1)
	}
}

// RefusedBandwidth returns how often and why requests were refused for want of bandwidth, of whatever pipe or subzone: also of
// those that are gone, or are not limited any more.
func (r *Resources) RefusedBandwidth() Refusals { return r.refusedBandwidth.read() }

// count counts a refusal that stands: of what there was too little or, where the decision itself said so, of what it names.
// One call that asks for too much is no want.
func (r *Resources) count(w *Want, refused *Refusal, short admission.Amount) *Refusal {
	waited := w.Patient || w.Waited
	switch {
	case refused.Waits != nil:
	case short.Of != nil:
		r.countShort(short, waited)
	case refused.Why == OverTotal:
		r.changing.RLock()
		defer r.changing.RUnlock()
		r.countPart(r.lending.parts[refused.At], refused.lacks, waited)
	}
	return refused
}
