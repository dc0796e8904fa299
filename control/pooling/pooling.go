// Package pooling lets a node of a cluster use what all its peers share: licences, bandwidth of pipes and
// subzones, and the capacity of a cluster that counts as fewer peers than it has.
//
// It exists because three know nothing of each other: control/resources decides calls by ceilings and does not care who
// moves them, the cluster's ledger moves ceilings and does not know what they are of, and the peers' rows tell what is
// in use. Here a shortage becomes a request, what will be wanted soon is asked for ahead, the ledger's answers become
// ceilings, and all of it is shown.
package pooling

import (
	"context"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/resources"
)

// Member is this node in its cluster (cluster/member).
type Member interface {
	Pool(member.Offer)
	Ledger() (member.Ledger, bool)
	Put(rows.Key, rows.Row)
	Delete(rows.Key)
	// Wanted has Wants asked at once.
	Wanted()
}

// Keeper is told of what a call or a registration was refused for (control/licences).
type Keeper interface {
	Short(c *admission.Counter, n uint32)
}

// Board is where alarms are raised and lowered.
type Board interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

var _ Member = (*member.Member)(nil)

// Deps are what a Pooling works with.
type Deps struct {
	Self      cluster.ID
	Resources *resources.Resources
	Member    Member
	Keeper    Keeper
	Board     Board
	Standing  []alarms.Alarm // of an earlier process
	// Boot reads CLOCK_BOOTTIME.
	Boot func() time.Duration
	// Measured says how many kbit/s really pass what has a name; nil: nobody measures.
	Measured func(name string) uint32
	// Named says how the list of peers calls one, by its name or address; empty: it does not know it. nil: it knows none.
	Named func(cluster.ID) string
}

// Pooling is a node's use of what its cluster shares. Its methods may be called by any number of goroutines, those of
// member.Shares by the member's; on a nil one that is of no cluster Short and Shares do nothing.
//
// Nothing of Resources is called under its lock: Resources call Short and Offer under their own.
type Pooling struct {
	deps  Deps
	lease *admission.Lease

	mu      sync.Mutex
	lent    bool
	offer   resources.Offer
	pending map[string]uint32             // what requests are short of since the last answer, in all
	news    bool                          // there is more of it than was told
	unmet   map[string]*admission.Counter // of the same names
	since   map[string]time.Duration      // when somebody began to be short of it, whoever it is by now
	none    map[string]time.Time          // when the cluster said last that there is none of what somebody was short of
	partly  partly
	asked   map[string]time.Time // ahead, and not answered yet
	recalls map[string]time.Time // when others waited for it
	denied  map[string]time.Time
	scanned time.Time // when it was looked last what is to be asked for ahead
	from    int       // where that begins next
	others  map[cluster.ID]map[string]uint32
	// seen is how peers stood when Run looked last and the time before: what was given to somebody since is in use by now, and
	// its row on the way.
	seen [2]map[ledger.Resource]member.Holding

	// Of Run alone.
	told map[string]uint32
	next int // from which part on rows are written
	away *awayLicences
}

// partly is what was raised last that requests waited for: where that is less than all, Denied follows at once.
type partly struct {
	name string
	of   *admission.Counter
	at   time.Time
}

var (
	_ member.Shares  = (*Pooling)(nil)
	_ resources.Pool = (*Pooling)(nil)
)

// New returns a Pooling that lends nothing yet. Who makes it gives it to the member (Share, Watch) and to the
// resources (Share).
func New(d Deps) *Pooling {
	return &Pooling{
		deps: d, lease: admission.NewLease(admission.Served(d.Boot)),
		pending: map[string]uint32{}, unmet: map[string]*admission.Counter{}, since: map[string]time.Duration{}, none: map[string]time.Time{}, recalls: map[string]time.Time{}, asked: map[string]time.Time{}, denied: map[string]time.Time{},
		others: map[cluster.ID]map[string]uint32{}, told: map[string]uint32{}, away: newAwayLicences(d.Board, d.Standing),
	}
}

// Offer implements resources.Pool: it tells the cluster how much there is.
func (p *Pooling) Offer(o resources.Offer) {
	p.mu.Lock()
	p.offer = o
	p.mu.Unlock()
	out := member.Offer{Brings: named(o.Brings), Most: named(o.Most), Trial: o.Trial, Policy: policyOf(o.Strict), Totals: map[ledger.Resource]ledger.Total{}}
	for name, n := range o.Bandwidth {
		out.Totals[ledger.Resource(name)] = ledger.Total{Amount: n, Policy: policyOf(o.StrictBandwidth), Hold: mediaOutlives}
	}
	for name, n := range o.Capacity {
		out.Totals[ledger.Resource(name)] = ledger.Total{Amount: n, Policy: out.Policy, Hold: mediaOutlives}
	}
	p.deps.Member.Pool(out)
}

// mediaOutlives is how long the media of calls goes on whose process has ended, and as long again to tell a pause from
// an end.
const mediaOutlives = 120 * time.Second

func policyOf(strict bool) ledger.Policy {
	if strict {
		return ledger.Strict
	}
	return ledger.Available
}

func named(of map[string]uint32) map[ledger.Resource]uint32 {
	out := make(map[ledger.Resource]uint32, len(of))
	for name, n := range of {
		out[ledger.Resource(name)] = n
	}
	return out
}

// Short tells the cluster what a call or a registration is short of. False: no cluster shares it out, it was refused by what
// the node has itself.
func (p *Pooling) Short(c *admission.Counter, n uint32) bool {
	if p == nil {
		return false
	}
	name := c.Name()
	p.mu.Lock()
	if !p.lent || !p.shared(name) {
		p.mu.Unlock()
		return false
	}
	if time.Since(p.none[name]) <= noneRest {
		p.mu.Unlock()
		return true // it is refused by the answer that there was: to ask again would make that last for ever
	}
	p.pending[name] += min(n, admission.Unlimited-p.pending[name])
	p.unmet[name] = c
	if _, known := p.since[name]; !known {
		p.since[name] = p.deps.Boot()
	}
	known := p.news
	p.news = true
	p.mu.Unlock()
	if !known {
		p.deps.Member.Wanted()
	}
	return true
}

// shared says whether there is a total of something. mu is held.
func (p *Pooling) shared(name string) bool {
	for _, of := range []map[string]uint32{p.offer.Brings, p.offer.Bandwidth, p.offer.Capacity} {
		if _, ok := of[name]; ok {
			return true
		}
	}
	return false
}

// every is how often peers are told what is used here.
const every = time.Second

// Run tells peers what is used here, and this node how full the cluster is, until ctx ends.
func (p *Pooling) Run(ctx context.Context) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			p.tell()
			p.look()
		}
	}
}

func (p *Pooling) named(id cluster.ID) string {
	if p.deps.Named == nil {
		return ""
	}
	return p.deps.Named(id)
}

// look takes what the ledger and the rows say of the whole cluster.
func (p *Pooling) look() {
	shared, on := p.deps.Member.Ledger()
	if !on {
		return
	}
	p.away.tell(shared.Lost, p.named)
	p.mu.Lock()
	p.seen = [2]map[ledger.Resource]member.Holding{shared.Resources, p.seen[0]}
	p.mu.Unlock()
	whole := map[string]resources.InCluster{}
	for r, h := range shared.Resources {
		whole[string(r)] = resources.InCluster{
			Shared: resources.Shared{Ceiling: h.Total, Used: p.elsewhere(string(r))}, Held: uint32(min(h.Held, uint64(h.Total))),
		}
	}
	p.deps.Resources.Whole(whole)
}
