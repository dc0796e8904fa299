package pooling

import (
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
)

// Lend implements member.Shares. From now on nothing that is shared is admitted beyond what the ledger has given: a node
// that belongs to a cluster lends before it takes its first call, so that two never go by what only one may have.
func (p *Pooling) Lend() map[ledger.Resource]uint32 {
	p.mu.Lock()
	p.lent = true
	p.mu.Unlock()
	return named(p.deps.Resources.Lend(p.lease))
}

// Leased implements member.Shares.
func (p *Pooling) Leased(r ledger.Resource, leased bool) {
	p.deps.Resources.Leased(string(r), leased)
}

// Raise implements member.Shares.
func (p *Pooling) Raise(r ledger.Resource, to uint32) {
	p.deps.Resources.Raise(string(r), to)
	p.mu.Lock()
	delete(p.asked, string(r))
	_, waits := p.pending[string(r)]
	p.mu.Unlock()
	if waits {
		p.wake()
	}
}

// Lower implements member.Shares.
func (p *Pooling) Lower(r ledger.Resource, to uint32) uint32 {
	return p.deps.Resources.Lower(string(r), to)
}

// Lease implements member.Shares.
func (p *Pooling) Lease(until time.Duration) {
	ran := p.lease.Runs()
	p.lease.Extend(until)
	if !ran {
		p.deps.Resources.Begin()
		p.wake()
	}
}

// Denied implements member.Shares. What was refused meanwhile was refused for want of what the cluster has.
func (p *Pooling) Denied(r ledger.Resource) {
	p.deps.Resources.Denied(string(r))
	p.mu.Lock()
	delete(p.asked, string(r))
	p.denied[string(r)] = time.Now()
	c := p.unmet[string(r)]
	p.mu.Unlock()
	if c != nil {
		p.deps.Keeper.Short(c, 1)
		p.wake()
	}
}

// wake has all who wait try again: who is still short says so anew.
func (p *Pooling) wake() {
	p.mu.Lock()
	clear(p.pending)
	clear(p.unmet)
	p.mu.Unlock()
	p.deps.Resources.Wake()
}
