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
	"turnpike.dev/turnpike/control/licences"
	"turnpike.dev/turnpike/control/resources"
)

const (
	// licenceRows are the rows in which peers tell what they use of licences: one each.
	licenceRows = "l/"
	// deniedRest is how long nothing is asked for ahead of what was just denied.
	deniedRest = 2 * time.Second
	// poolingEvery is how often peers are told what is used here.
	poolingEvery = time.Second
)

// pooling lets the licences of a clustered node be those of the cluster (LI-01): ceilings come from the ledger,
// and what is short here is told to it. Its methods do nothing on a nil one.
type pooling struct {
	resources *resources.Resources
	keeper    *licences.Keeper
	member    *member.Member
	self      cluster.ID
	peers     int
	lease     *admission.Lease

	mu     sync.Mutex                 // guards what follows; nothing is locked under it
	lent   bool                       // the ledger's ceilings are in force
	given  map[ledger.Resource]uint32 // by the ledger, until they are
	short  map[ledger.Resource]uint32
	unmet  map[ledger.Resource]*admission.Counter // what calls and registrations were short of since the last that was given
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
		resources: n.resources, keeper: n.licences, member: m, self: cluster.ID(n.id), peers: peers, lease: admission.NewLease(sinceBoot),
		short: map[ledger.Resource]uint32{}, unmet: map[ledger.Resource]*admission.Counter{}, denied: map[ledger.Resource]time.Time{}, others: map[cluster.ID]map[string]uint32{},
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
	p.member.Pool(member.Offer{Brings: brings, Trial: !p.keeper.Installed().Keyed, Policy: ledger.Available})
}

// missed notes what a call or a registration was refused: the ledger hears of it at the next tick. False: it
// was refused by what the node has itself.
func (p *pooling) missed(c *admission.Counter, n uint32) bool {
	if p == nil {
		return false
	}
	ceiling, used := c.Read()
	r := ledger.Resource(c.Name())
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.brings[r]; !ok || !p.lent {
		return false
	}
	if wanted := uint64(used) + uint64(n); wanted > uint64(ceiling) {
		p.short[r] = uint32(min(uint64(p.short[r])+wanted-uint64(ceiling), admission.Unlimited))
	}
	p.unmet[r] = c
	return true
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
	lent := p.lent
	p.mu.Unlock()
	if !lent {
		return policyAlone, whole, whole
	}
	here = api.LicenceShare{Total: float64(shared.Own[ledger.Resource(l.Name)]), Granted: float64(own.Ceiling), Used: float64(own.Used)}
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
	if !s.node.pooling.missed(c, n) { // of what is lent it is told when the cluster says that there is no more
		s.node.licences.Short(c, n)
	}
}
