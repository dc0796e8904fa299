package resources

import (
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/admission"
)

// part is something of which a cluster has a total: licences, a limited pipe or subzone, the capacity of a cluster
// that counts as fewer peers than it has (CA-02). While it is lent, what may be used of it here is the cluster's to say.
// Resources.changing guards it, but for what is atomic.
type part struct {
	name    string // in the ledger
	kind    PartKind
	counter *admission.Counter
	object  *object // nil: it is none
	// shared: there is a total. Without one nothing limits, and what is in use is counted.
	shared bool
	total  uint32 // by the configuration; of licences what this node brings
	// always: the ceiling counts also when the lease is over (policy strict).
	always bool
	// told: the ledger knows what is in use. Before that nothing is taken beyond it.
	told bool
	// given is the ceiling that the ledger has for this node, as far as it was told here.
	given uint32
	// denied is when there was no more, as the cluster said last.
	denied time.Time

	waits   atomic.Int32 // requests that wait for it: of awaiting.list
	refused tally        // requests that were refused for want of it
}

// PartKind is what a part is of.
type PartKind uint8

// Kinds of parts.
const (
	LicencePart PartKind = iota
	PipePart
	SubzonePart
	CapacityPart
)

// String returns the kind in one word.
func (k PartKind) String() string {
	return [...]string{"licence", "pipe", "subzone", "capacity"}[k]
}

// DeniedRest is how long the cluster's word counts that there was no more: who asks within it goes by what is here.
const DeniedRest = 500 * time.Millisecond

// hopeful says that other peers may have more. Whose lease is over has not heard from them: it is not denied anything, and
// waits for the lease.
func (p *part) hopeful() bool {
	if p == nil || !p.shared {
		return false
	}
	if p.denied.IsZero() || time.Since(p.denied) > DeniedRest {
		return true
	}
	_, usable := p.counter.Usable()
	return !usable
}

// lend puts the ceiling into the ledger's hands: until that knows what is in use, nothing more is taken.
func (p *part) lend(l *admission.Lease) {
	if p.always {
		l = nil
	}
	p.counter.Lend(l)
	if !p.told {
		p.counter.Close()
	}
}

// own goes by what there is here, and only counts where nothing limits it.
func (p *part) own() {
	p.told = false
	p.counter.Lend(nil)
	if p.shared {
		p.counter.Set(p.total)
	} else {
		p.counter.Set(admission.Unlimited)
	}
}

// raise takes a ceiling of the ledger's.
func (p *part) raise(to uint32) {
	p.given, p.denied = to, time.Time{}
	if !p.shared {
		return
	}
	p.told = true
	now, _ := p.counter.Read()
	p.counter.Grow(to - min(now, to)) // nobody but the ledger moves it
}

// lower gives back what is idle, and returns the ceiling as it is then. The first word to the ledger is what is in use,
// whatever the ceiling was.
func (p *part) lower(to uint32) uint32 {
	switch {
	case !p.shared:
		_, p.given = p.counter.Read()
	case !p.told:
		p.told, p.given = true, p.counter.Close()
	default:
		p.given = p.counter.Shrink(to)
	}
	return p.given
}
