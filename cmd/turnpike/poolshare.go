package main

import (
	"time"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// How much is asked for before it is wanted: a sixteenth of all, for four calls or for so many registrations as
// may come while peers answer.
const (
	aheadShare = 16
	aheadCalls = 8
	aheadPlace = 32
)

// Lend implements member.Shares. The node goes on by its own licences until the ledger has given it shares to go
// on with: a node that has just started or joined takes calls and registrations, whoever leads yet.
func (p *pooling) Lend() map[ledger.Resource]uint32 {
	out := map[ledger.Resource]uint32{}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = map[ledger.Resource]uint32{}
	for name, l := range p.resources.Licences() {
		out[ledger.Resource(name)], p.given[ledger.Resource(name)] = l.Used, l.Used
	}
	return out
}

// Leased implements member.Shares: licences are of policy available.
func (p *pooling) Leased(ledger.Resource, bool) {}

// Raise implements member.Shares.
func (p *pooling) Raise(r ledger.Resource, to uint32) {
	p.mu.Lock()
	delete(p.unmet, r)
	if !p.lent {
		p.given[r] = max(p.given[r], to)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.resources.Raise(string(r), to)
	p.resources.Wake()
}

// Lower implements member.Shares.
func (p *pooling) Lower(r ledger.Resource, to uint32) uint32 {
	p.mu.Lock()
	if !p.lent {
		defer p.mu.Unlock()
		p.given[r] = max(to, p.resources.Licences()[string(r)].Used)
		return p.given[r]
	}
	p.mu.Unlock()
	return p.resources.Lower(string(r), to)
}

// Lease implements member.Shares.
func (p *pooling) Lease(until time.Duration) {
	ran := p.lease.Runs()
	p.lease.Extend(until)
	if !ran {
		p.resources.Wake()
	}
}

// Denied implements member.Shares. What was refused meanwhile was refused for want of licences of the cluster.
func (p *pooling) Denied(r ledger.Resource) {
	p.mu.Lock()
	p.denied[r] = time.Now()
	c := p.unmet[r]
	delete(p.unmet, r)
	p.mu.Unlock()
	if c != nil {
		p.keeper.Short(c, 1)
		p.resources.Wake()
	}
}

// Wants implements member.Shares: what was refused, and what is asked for ahead. When nothing is left to be asked
// for first, the ledger's ceilings are put in force.
func (p *pooling) Wants() map[ledger.Resource]uint32 {
	shared, _ := p.member.Ledger()
	known := len(shared.Resources) > 0 // it is agreed what there is
	wants, lent := p.wants(shared.Resources, known)
	if !lent && known && len(wants) == 0 && p.lease.Runs() {
		p.settle()
	}
	return wants
}

func (p *pooling) wants(shared map[ledger.Resource]member.Holding, known bool) (wants map[ledger.Resource]uint32, lent bool) {
	has := p.resources.Licences()
	p.mu.Lock()
	defer p.mu.Unlock()
	wants = p.short
	p.short = map[ledger.Resource]uint32{}
	if !known {
		return wants, p.lent
	}
	for name, l := range has {
		r := ledger.Resource(name)
		if !p.lent {
			l.Ceiling = p.given[r]
		}
		if n := max(p.early(r, l, shared[r]), wants[r]); n > 0 {
			wants[r] = n
		}
	}
	return wants, p.lent
}

// early is how much of a kind is asked for before it is wanted, and to have what was taken before there were
// shares. What others hold is not asked for ahead: two peers would take it from each other for ever.
func (p *pooling) early(r ledger.Resource, l resources.Shared, of member.Holding) uint32 {
	if time.Since(p.denied[r]) <= deniedRest {
		return 0
	}
	if l.Used > l.Ceiling {
		return l.Used - l.Ceiling
	}
	left, ahead := l.Ceiling-l.Used, p.ahead(string(r), of.Total)
	if left >= (ahead+1)/2 {
		return 0
	}
	free := uint64(of.Total) - min(uint64(of.Total), of.Granted)
	return uint32(min(uint64(ahead-left), free))
}

// settle puts what the ledger has given in force. What was taken since it was asked for is asked for next.
func (p *pooling) settle() {
	given := map[string]uint32{}
	p.mu.Lock()
	for r, n := range p.given {
		given[string(r)] = n
	}
	p.mu.Unlock()
	p.resources.Lend(p.lease, given) // it tells, under its own lock, what is short: not under ours
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent, p.given = true, nil
}

// ahead is how much should be left: never more than an even share of all.
func (p *pooling) ahead(name string, total uint32) uint32 {
	least := uint32(aheadPlace)
	if name == resources.LevelRMS {
		least = aheadCalls
	}
	return min(max(total/aheadShare, least), total/uint32(max(p.peers, 1)))
}
