package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/resources"
)

const (
	// licenceRows are the rows in which peers tell what they use of licences: one each.
	licenceRows = "l/"
	// deniedRest is how long nothing is asked for ahead of what was just denied.
	deniedRest = 2 * time.Second
	// poolingEvery is how often peers are told what is used here.
	poolingEvery = time.Second
	// aheadShare and the figures of ahead are how much is asked for before it is wanted: a sixteenth of all, for
	// four calls or for so many registrations as may come while peers answer.
	aheadShare = 16
	aheadCalls = 8
	aheadPlace = 32
)

// pooling lets the licences of a clustered node be those of the cluster (LI-01): ceilings come from the ledger,
// and what is short here is told to it. Its methods do nothing on a nil one.
type pooling struct {
	resources *resources.Resources
	member    *member.Member
	self      cluster.ID
	peers     int
	lease     *admission.Lease

	mu     sync.Mutex // guards what follows; nothing is locked under it
	short  map[ledger.Resource]uint32
	denied map[ledger.Resource]time.Time
	brings map[ledger.Resource]uint32
	others map[cluster.ID]map[string]uint32 // what they use
	told   string
	away   *awayLicences // of the run alone
}

var _ member.Shares = (*pooling)(nil)

// pool makes it, and has it told what option keys give here.
func (n *node) pool(m *member.Member, peers int) {
	n.pooling = &pooling{
		resources: n.resources, member: m, self: cluster.ID(n.id), peers: peers, lease: admission.NewLease(sinceBoot),
		short: map[ledger.Resource]uint32{}, denied: map[ledger.Resource]time.Time{}, others: map[cluster.ID]map[string]uint32{},
		away: newAwayLicences(n.board, n.board.List()),
	}
	m.Share(n.pooling)
	m.Watch(licenceRows, n.pooling.take)
	n.resources.Share(n.pooling)
}

// Brings implements resources.Pool.
func (p *pooling) Brings(of map[string]uint32) {
	brings := map[ledger.Resource]uint32{}
	for name, n := range of {
		brings[ledger.Resource(name)] = n
	}
	p.mu.Lock()
	p.brings = brings
	p.mu.Unlock()
	p.member.Pool(brings, nil)
}

// Lend implements member.Shares.
func (p *pooling) Lend() map[ledger.Resource]uint32 {
	out := map[ledger.Resource]uint32{}
	for name, n := range p.resources.Lend(p.lease) {
		out[ledger.Resource(name)] = n
	}
	return out
}

// Raise implements member.Shares.
func (p *pooling) Raise(r ledger.Resource, to uint32) { p.resources.Raise(string(r), to) }

// Lower implements member.Shares.
func (p *pooling) Lower(r ledger.Resource, to uint32) uint32 {
	return p.resources.Lower(string(r), to)
}

// Lease implements member.Shares.
func (p *pooling) Lease(until time.Duration) { p.lease.Extend(until) }

// Denied implements member.Shares.
func (p *pooling) Denied(r ledger.Resource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.denied[r] = time.Now()
}

// missed notes what a call or a registration was refused: the ledger hears of it at the next tick.
func (p *pooling) missed(c *admission.Counter, n uint32) {
	if p == nil {
		return
	}
	ceiling, used := c.Read()
	wanted := uint64(used) + uint64(n)
	r := ledger.Resource(c.Name())
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.brings[r]; ok && wanted > uint64(ceiling) {
		p.short[r] = max(p.short[r], uint32(min(wanted-uint64(ceiling), admission.Unlimited)))
	}
}

// Wants implements member.Shares: what was refused, and what is asked for ahead.
func (p *pooling) Wants() map[ledger.Resource]uint32 {
	shared, _ := p.member.Ledger()
	has := p.resources.Licences()
	p.mu.Lock()
	defer p.mu.Unlock()
	wants := p.short
	p.short = map[ledger.Resource]uint32{}
	for name, l := range has {
		r := ledger.Resource(name)
		left := l.Ceiling - min(l.Used, l.Ceiling)
		if ahead := p.ahead(name, shared.Resources[r].Total); left < ahead/2 && time.Since(p.denied[r]) > deniedRest {
			wants[r] = max(wants[r], ahead-left)
		}
	}
	return wants
}

// ahead is how much should be left: never more than an even share of all.
func (p *pooling) ahead(name string, total uint32) uint32 {
	least := uint32(aheadPlace)
	if name == resources.LevelRMS {
		least = aheadCalls
	}
	return min(max(total/aheadShare, least), total/uint32(max(p.peers, 1)))
}

// take learns what peers use.
func (p *pooling) take(changed []rows.Changed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range changed {
		id := cluster.ID(strings.TrimPrefix(string(c.Key), licenceRows))
		used := map[string]uint32{}
		if !c.Found || c.Owner != id || json.Unmarshal([]byte(c.Row.Value), &used) != nil {
			delete(p.others, id)
			continue
		}
		p.others[id] = used
	}
}

// run tells peers what is used here, and this node how full the cluster's licences are.
func (p *pooling) run(ctx context.Context) error {
	every := time.NewTicker(poolingEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			p.tell()
		}
	}
}

func (p *pooling) tell() {
	used := map[string]uint32{}
	for name, l := range p.resources.Licences() {
		used[name] = l.Used
	}
	if data, err := json.Marshal(used); err == nil && string(data) != p.told {
		p.told = string(data)
		p.member.Put(rows.Key(licenceRows+string(p.self)), rows.Row{Value: p.told})
	}
	shared, on := p.member.Ledger()
	if !on {
		return
	}
	p.away.tell(shared.Lost)
	whole := map[string]resources.Shared{}
	for r, h := range shared.Resources {
		whole[string(r)] = resources.Shared{Ceiling: h.Total, Used: p.elsewhere(string(r))}
	}
	p.resources.Whole(whole)
}

// elsewhere is how much of some licences other peers use.
func (p *pooling) elsewhere(name string) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum uint32
	for id, used := range p.others {
		if id != p.self {
			sum += used[name]
		}
	}
	return sum
}

// shares says how a level is shared out, here and in the cluster.
func (p *pooling) shares(l resources.Level) (policy string, here, whole api.LicenceShare) {
	whole = api.LicenceShare{Total: float64(l.Limit), Granted: float64(l.Limit), Used: float64(l.Used)}
	if p == nil {
		return policyAlone, whole, whole
	}
	shared, on := p.member.Ledger()
	h, ok := shared.Resources[ledger.Resource(l.Name)]
	own := p.resources.Licences()[l.Name]
	if !on || !ok {
		return policyAlone, whole, whole
	}
	p.mu.Lock()
	brings := p.brings[ledger.Resource(l.Name)]
	p.mu.Unlock()
	here = api.LicenceShare{Total: float64(brings), Granted: float64(own.Ceiling), Used: float64(own.Used)}
	return policyAvailable, here, api.LicenceShare{Total: float64(h.Total), Granted: float64(h.Granted), Used: float64(l.Used)}
}

// Policies, as status says them.
const (
	policyAlone     = "alone"
	policyAvailable = "available"
)

// shortage tells of what was short: the keeper of licences, and where there is one the cluster.
type shortage struct{ node *node }

// Short implements admission.Ledger.
func (s shortage) Short(c *admission.Counter, n uint32) {
	s.node.licences.Short(c, n)
	s.node.pooling.missed(c, n)
}
