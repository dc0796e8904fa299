package pooling

import (
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/resources"
)

// Apart is the use of what peers share on a node that belongs to them and has no part in the cluster, because its
// database is damaged (OP-06). What is of policy available it uses as if it were alone, as the peers may do too. Of policy
// strict it admits nothing: the peers have the same to give, and nobody tells it what is left.
type Apart struct {
	resources *resources.Resources
	lease     *admission.Lease // that never runs
	lent      bool
	offer     atomic.Pointer[resources.Offer] // the last one
}

var _ resources.Pool = (*Apart)(nil)

// NewApart returns one to Share with the resources. boot reads CLOCK_BOOTTIME.
func NewApart(r *resources.Resources, boot func() time.Duration) *Apart {
	return &Apart{resources: r, lease: admission.NewLease(boot)}
}

// Offer implements resources.Pool.
func (a *Apart) Offer(o resources.Offer) {
	a.offer.Store(&o)
	if !a.lent {
		if !o.Strict && !o.StrictBandwidth {
			return
		}
		a.lent = true
		a.resources.Lend(a.lease)
		a.resources.Begin() // whoever waits, does so in vain
	}
	a.use(o.Brings, o.Strict)
	a.use(o.Capacity, o.Strict)
	a.use(o.Bandwidth, o.StrictBandwidth)
}

// Cause implements resources.Pool. Of policy available all is this node's, whatever peers do.
func (a *Apart) Cause(of resources.Unmet) resources.Cause {
	if o := a.offer.Load(); o != nil && isStrict(o, of.Name) { // nil: nothing was offered yet, and nothing is lent
		return resources.Damaged
	}
	return resources.OwnLimit
}

// use takes all there is of what is not strict.
func (a *Apart) use(of map[string]uint32, strict bool) {
	for name, total := range of {
		a.resources.Leased(name, strict)
		if !strict {
			a.resources.Raise(name, total)
			a.resources.Lower(name, total)
		}
	}
}
