// Package resources is what this node has to give, and who has it: the capacity of its
// platform, its licences, and the bandwidth of subzones and pipes.
//
// It exists so that a call is decided once, in one place and locally, whichever protocol
// asks: it has all of what it needs or nothing (CA-01, LI-04, BW-03), and what was given is
// given back exactly once. The rules are in control/bandwidth and licensing, the counting
// in control/admission; here a call's ways become amounts of counters, and the answer a
// grant that can be changed, released, shown, policed, and found again by a next process
// (docs/design/0040-admission-of-calls.md).
package resources

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// Logger takes what an operator should see. It is never called for each call.
type Logger interface {
	Event(name string, kv ...any)
}

// Deps are what Resources work with. Each may be left out.
type Deps struct {
	// Ledger is told what was short.
	Ledger admission.Ledger
	// Journal keeps grants over a restart of the process.
	Journal *Journal
	// Policer has the buckets of pipes.
	Policer relay.Policer
	Log     Logger
	Now     func() time.Time
}

// Resources gives what the node has. Any number of goroutines may use it.
//
// Locks, in this order: telling, a grant's, then changing (to read), then mu or the journal's.
type Resources struct {
	deps      Deps
	admission *admission.Admission
	platform  config.PlatformName // of the start

	// changing guards what follows. Who decides holds it to read: no limit moves and no
	// object is forgotten between a look at what is left and the taking.
	changing sync.RWMutex
	telling  sync.Mutex // so that the pool is told in the order of changes; it is locked before changing
	rules    *rules
	objects  map[key]*object // also those that configuration has no more, while calls do
	order    int             // of the newest
	policed  []*object       // that have buckets

	limits   limits
	refusals tallies // they never change
	// refusedBandwidth is that of all objects, which have tallies of their own while they are there.
	refusedBandwidth tally
	// lending is how what a cluster shares is lent, offer what was said of how much there is. changing guards both.
	lending lending
	offer   Offer

	mu     sync.Mutex // guards grants
	grants map[uint64]*Grant
	lastID atomic.Uint64

	awaiting awaiting
}

// New returns what a node of a configuration has, none of it in use.
func New(n *config.Node, in licensing.Installed, d Deps) (*Resources, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	r := &Resources{
		deps: d, admission: admission.New(d.Ledger), platform: n.System.Platform,
		objects: map[key]*object{}, lending: newLending(), grants: map[uint64]*Grant{},
	}
	r.limits = newLimits(&r.lending)
	r.refusals = newTallies(&r.limits)
	return r, r.Change(n, in)
}

// Change puts other limits and another map in force. What is in use stays in use, also
// beyond a limit: until enough calls have ended nothing new is admitted there. Where the
// configuration does not make a map, nothing changes.
//
// The platform is that of the start: another one needs a restart.
func (r *Resources) Change(n *config.Node, in licensing.Installed) error {
	next, err := compile(n)
	if err != nil {
		return err
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	if to := r.put(n, in, next); to != nil {
		to.Offer(r.offer)
	}
	return nil
}

// put puts other limits and another map in force, and returns whom to tell.
func (r *Resources) put(n *config.Node, in licensing.Installed, next *rules) Pool {
	r.changing.Lock()
	defer r.changing.Unlock()
	capacity := r.limits.set(r.platform, n)
	next.video, next.audio, next.most = capacity.Video, capacity.Audio, mostOf(capacity)
	r.rules = next
	r.supply(n, in)
	r.settle(next)
	r.police()
	r.forget()
	r.offer = r.offered(n, in)
	return r.lending.to
}

// supply gives licences and the cluster's capacity their totals.
func (r *Resources) supply(n *config.Node, in licensing.Installed) {
	for c, total := range r.limits.licences(r.platform, n, in) {
		r.lending.set(r.lending.of[c], true, total)
	}
	whole := ClusterCapacityOf(r.platform, n).totals(&r.limits.whole)
	for _, p := range r.lending.list {
		if total, shared := whole[p.counter]; p.kind == CapacityPart {
			r.lending.set(p, shared, total)
		}
	}
}

// settle gives each object of a map its counter, the one that it had by its name or a new
// one, and its limit.
func (r *Resources) settle(next *rules) {
	for id, o := range next.plan.Objects() {
		have := r.object(key{o.Kind, o.Name})
		r.limit(have, o.Total)
		next.objects[id] = have
	}
}

// forget lets go of objects that configuration has no more, when calls have none of them.
func (r *Resources) forget() {
	configured := make(map[*object]bool, len(r.rules.objects))
	for _, o := range r.rules.objects {
		configured[o] = true
	}
	idle := r.Calls() == 0
	for k, o := range r.objects {
		if configured[o] {
			continue
		}
		if r.limit(o, bandwidth.Unlimited); !o.inUse(idle) {
			delete(r.objects, k)
			if o.part != nil {
				r.lending.remove(o.part)
			}
		}
	}
}

// limit moves what all calls together may use of an object.
func (r *Resources) limit(o *object, l bandwidth.Limit) {
	if o.part != nil {
		r.lending.set(o.part, l.Limited, uint32(min(max(l.Kbps, 0), bandwidth.MaxKbps)))
	}
}

// object returns what has a name, and makes it where nothing has. changing is held.
func (r *Resources) object(k key) *object {
	o := r.objects[k]
	if o == nil {
		r.order++
		o = newObject(k, r.order)
		r.objects[k] = o
		if o.counter != nil {
			o.part = r.lending.add(&part{name: o.String(), kind: partKinds[k.kind], counter: o.counter, object: o})
		}
	}
	return o
}

// Run ends recovered grants that nobody adopted, and looks after the journal and the
// buckets of pipes, until ctx ends.
func (r *Resources) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			r.look()
		}
	}
}

// look does what is due.
func (r *Resources) look() {
	r.expire(r.deps.Now())
	r.follow()
	if r.deps.Journal.stale(r.Calls()) {
		r.compact()
	}
}

// Unjournaled returns how many changes are missing in the journal of this process,
// because it could not be written.
func (r *Resources) Unjournaled() uint64 {
	j := r.deps.Journal
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost
}

// tick is how often Run looks around.
const tick = time.Second
