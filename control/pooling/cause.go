package pooling

import (
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// Cause implements resources.Pool: why there is not enough of something here for a request that is refused now. What keeps
// the whole cluster from giving more comes before what this one request met.
func (p *Pooling) Cause(of resources.Unmet) resources.Cause {
	shared, _ := p.deps.Member.Ledger()
	h := shared.Resources[ledger.Resource(of.Name)]
	p.mu.Lock()
	strict, denied := isStrict(&p.offer, of.Name), time.Since(p.denied[of.Name]) <= deniedRest
	p.mu.Unlock()
	switch runs := p.lease.Runs(); {
	case strict && (shared.Aside || shared.Begun && !runs):
		return resources.NoMajority
	case !shared.Begun:
		return resources.FirstShare
	case !runs:
		return resources.NoLease
	case denied || h.Granted > uint64(h.Total):
		return usedUp(h, of.N, shared.Aside)
	case !of.Waited:
		return resources.NoWait
	}
	return resources.NoAnswer
}

// usedUp says why the cluster has not so much more of something.
func usedUp(h member.Holding, n uint32, aside bool) resources.Cause {
	switch {
	case h.Granted > uint64(h.Total):
		return resources.MoreThanTotal
	case aside:
		return resources.ThisSide
	case h.Held > 0 && h.Held >= uint64(n):
		return resources.Reserved
	}
	return resources.UsedUp
}

// isStrict says whether the configuration wants something shared by the policy strict.
func isStrict(o *resources.Offer, name string) bool {
	if _, is := o.Bandwidth[name]; is {
		return o.StrictBandwidth
	}
	return o.Strict
}
