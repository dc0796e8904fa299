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
	if part, _ := p.deps.Resources.Part(string(r)); !leased && part.Ceiling > part.Used && !p.lease.Runs() {
		p.wake() // who waited for the lease needs none, and perhaps nothing else follows
	}
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

// Lower implements member.Shares. Others wait for it: nothing of it is asked for ahead for a while. Where nothing was here and
// nothing is in use the ledger only looks.
func (p *Pooling) Lower(r ledger.Resource, to uint32) uint32 {
	was, _ := p.deps.Resources.Part(string(r))
	now := p.deps.Resources.Lower(string(r), to)
	if was.Given > 0 || now > 0 {
		p.mu.Lock()
		p.recalls[string(r)] = time.Now()
		p.mu.Unlock()
	}
	return now
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

// Denied implements member.Shares. What was refused meanwhile was refused for want of what the cluster has. An answer to a
// request from before anybody was short refuses nobody: what is short now is asked for next.
func (p *Pooling) Denied(r ledger.Resource, asked time.Duration) {
	name, now := string(r), time.Now()
	p.mu.Lock()
	delete(p.asked, name)
	p.denied[name] = now
	c := p.unmet[name]
	if last := p.partly; c == nil && last.name == name && now.Sub(last.at) < atOnce {
		c = last.of
	}
	early := c != nil && asked < p.since[name]
	p.news = p.news || early
	known := p.known(now, asked)
	if c != nil && !early {
		p.none[name] = known
	}
	p.mu.Unlock()
	switch {
	case early:
		p.deps.Member.Wanted()
	case c != nil:
		p.deps.Resources.Denied(name, known)
		p.deps.Keeper.Short(c, 1)
		p.wake()
	}
}

// heed is how long the cluster's word is heeded however old it is: by those whom it calls.
const heed = 50 * time.Millisecond

// known is as of when a word of the cluster's counts that there is no more: the peers were asked after asked, and one of them may
// have been given something back as soon as it had answered.
func (p *Pooling) known(now time.Time, asked time.Duration) time.Time {
	age := max(p.deps.Boot()-asked, 0)
	return now.Add(-min(age, noneRest-heed))
}

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
