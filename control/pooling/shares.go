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
	delete(p.none, string(r))
	c := p.unmet[string(r)]
	if c != nil {
		p.partly = partly{string(r), c, time.Now()}
	}
	p.mu.Unlock()
	if c != nil {
		p.wake()
	}
}

// Lower implements member.Shares. Mostly others wait for it: nothing of it is asked for ahead for a while. Where the ledger
// only asks what is in use, or this node leaves, that does no harm.
func (p *Pooling) Lower(r ledger.Resource, to uint32) uint32 {
	p.mu.Lock()
	p.recalls[string(r)] = time.Now()
	p.mu.Unlock()
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

// Denied implements member.Shares. What was refused meanwhile was refused for want of what the cluster has. An answer that
// comes sooner than others can have been asked is of a request before: what is short now is asked for next.
func (p *Pooling) Denied(r ledger.Resource) {
	name, now := string(r), time.Now()
	p.mu.Lock()
	delete(p.asked, name)
	p.denied[name] = now
	c := p.unmet[name]
	if last := p.partly; c == nil && last.name == name && now.Sub(last.at) < atOnce {
		c = last.of
	}
	early := c != nil && now.Sub(p.since[name]) < soonest
	p.news = p.news || early
	if c != nil && !early {
		p.none[name] = now
	}
	p.mu.Unlock()
	switch {
	case early:
		p.deps.Member.Wanted()
	case c != nil:
		p.deps.Resources.Denied(name)
		p.deps.Keeper.Short(c, 1)
		p.wake()
	}
}

// soonest is how soon after a shortage the cluster can say at the earliest that there is no more: it asks others first.
const soonest = 500 * time.Millisecond

// atOnce is how soon after a Raise the same answer's Denied comes.
const atOnce = 10 * time.Millisecond

// wake has all who wait try again: who is still short says so anew.
func (p *Pooling) wake() {
	p.mu.Lock()
	clear(p.pending)
	clear(p.unmet)
	p.mu.Unlock()
	p.deps.Resources.Wake()
}
