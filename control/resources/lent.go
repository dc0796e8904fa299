package resources

import (
	"cmp"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/licensing"
)

// Pool is told how much there is to share out in a cluster, as far as this node knows.
type Pool interface {
	Offer(Offer)
	// Cause says why there is not enough of something for a request that is refused. It is called with locks held: it must
	// be quick, and call nothing of Resources.
	Cause(Unmet) Cause
}

// Offer is how much there is of everything that peers of a cluster share, by the names that it has in the ledger.
type Offer struct {
	// Brings are the licences of this node: the cluster has the sum of all peers' (LI-01), but no more than Most (CA-02).
	Brings, Most map[string]uint32
	// Bandwidth is of pipes and subzones, Capacity of what the cluster carries where that is less than its peers together.
	Bandwidth, Capacity map[string]uint32
	// Trial: no licence of them is bought (LI-02).
	Trial bool
	// Peers is how many there are, as the list has them; CallUnits and CallKbps are what an ordinary call takes.
	Peers               int
	CallUnits, CallKbps uint32
	// Strict says of licences and capacity, and of bandwidth, that what a lost peer has stays its own.
	Strict, StrictBandwidth bool
}

// Shared is how much of something may be used, and how much is.
type Shared struct{ Ceiling, Used uint32 }

// InCluster is how much of something a whole cluster has, how much of it other peers use, and how much is kept by peers
// that are not there.
type InCluster struct {
	Shared
	Held uint32
}

// Part is something that a cluster shares out, as it stands here.
type Part struct {
	Name string
	Kind PartKind
	Shared
	// Given is the ceiling that the ledger has for this node: what is in use beyond it has to be asked for.
	Given uint32
	Told  bool   // the ledger knows what is in use
	Total uint32 // by the configuration; of licences what this node brings
	Waits uint32 // requests that wait for some of it
}

// lending is how the parts are shared out. Resources.changing guards it.
type lending struct {
	to    Pool
	lease *admission.Lease // nil: what there is here is this node's own
	whole map[string]InCluster
	parts map[string]*part
	// strict are the names that the ledger has said Leased of that they are not.
	strict map[string]bool
	of     map[*admission.Counter]*part
	list   []*part // by name
}

// Share gives Resources whom to tell how much there is.
func (r *Resources) Share(to Pool) {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.changing.Lock()
	r.lending.to = to
	r.changing.Unlock()
	to.Offer(r.offer)
}

// offered is how much there is. changing is held.
func (r *Resources) offered(n *config.Node, in licensing.Installed) Offer {
	o := Offer{
		Brings: map[string]uint32{}, Bandwidth: map[string]uint32{}, Capacity: map[string]uint32{},
		Strict: n.Licensing.Policy == config.SharingStrict, StrictBandwidth: n.Bandwidth.Policy == config.SharingStrict,
	}
	whole := ClusterCapacityOf(r.platform, n)
	o.Trial, o.Peers, o.CallUnits, o.CallKbps = !in.Keyed, whole.Peers, whole.Video, uint32(n.Bandwidth.DefaultKbps)
	o.Most = map[string]uint32{LevelRMS: whole.HalfRMS, LevelRoom: whole.Room, LevelDesktop: whole.Desktop}
	for _, p := range r.lending.list {
		switch {
		case !p.shared:
		case p.kind == LicencePart:
			o.Brings[p.name] = p.total
		case p.kind == CapacityPart:
			o.Capacity[p.name] = p.total
		default:
			o.Bandwidth[p.name] = p.total
		}
	}
	return o
}

// Lend puts the ceilings of all that is shared into a ledger's hands, and returns what is in use. From now on
// a ceiling is what the ledger gives, and may be used while the lease runs; until it has given something nothing more is
// taken. Change leaves ceilings alone from then on. What is in use beyond them stays.
func (r *Resources) Lend(lease *admission.Lease) map[string]uint32 {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.lending.lease = lease
	used := map[string]uint32{}
	for _, p := range r.lending.list {
		if !p.shared {
			continue
		}
		p.lend(lease)
		n := p.counter.Close()
		if p.told, p.given = n > 0, n; n > 0 { // of what is not in use the ledger hears when it is wanted
			used[p.name] = n
		}
	}
	return used
}

// Leased says whether a ceiling may be used only while the lease runs, or always.
func (r *Resources) Leased(name string, leased bool) {
	r.changing.Lock()
	defer r.changing.Unlock()
	if delete(r.lending.strict, name); !leased {
		r.lending.strict[name] = true
	}
	if p := r.lending.part(name); p.shared && r.lending.lease != nil {
		p.always = !leased
		p.lend(r.lending.lease)
	}
}

// Raise raises a ceiling that the ledger has.
func (r *Resources) Raise(name string, to uint32) {
	r.changing.Lock()
	defer r.changing.Unlock()
	p := r.lending.part(name)
	p.raise(to)
	if p.object != nil && p.object.policing != nil {
		r.setBucket(p.object) // before a call may have some of it
	}
}

// Lower lowers a ceiling that the ledger has as far as nothing is in use, and returns what it is then. It never is less
// than what is in use when the ledger hears of it first.
func (r *Resources) Lower(name string, to uint32) uint32 {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.lending.part(name).lower(to)
}

// Denied says that the cluster had no more at a time: who waits for it, and who asks soon after that time, goes by what is here.
func (r *Resources) Denied(name string, at time.Time) {
	r.changing.Lock()
	defer r.changing.Unlock()
	p := r.lending.part(name)
	p.denied = at
	r.awaiting.denied(p)
}

// Parts lists what is shared out, by name. It is none of it while nothing is lent.
func (r *Resources) Parts() []Part {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if r.lending.lease == nil {
		return nil
	}
	out := make([]Part, 0, len(r.lending.list))
	for _, p := range r.lending.list {
		if p.shared {
			out = append(out, p.read())
		}
	}
	return out
}

// Part is one of Parts; false: nothing of that name is shared out.
func (r *Resources) Part(name string) (Part, bool) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	p := r.lending.parts[name]
	if r.lending.lease == nil || p == nil || !p.shared {
		return Part{}, false
	}
	return p.read(), true
}

func (p *part) read() Part {
	ceiling, used := p.counter.Read()
	return Part{
		Name: p.name, Kind: p.kind, Shared: Shared{ceiling, used}, Given: p.given, Told: p.told, Total: p.total,
		Waits: uint32(p.waits.Load()),
	}
}

func newLending() lending {
	return lending{parts: map[string]*part{}, of: map[*admission.Counter]*part{}, strict: map[string]bool{}}
}

// part returns what has a name in the ledger, and makes it where the configuration has it no more or not yet.
func (l *lending) part(name string) *part {
	if p := l.parts[name]; p != nil {
		return p
	}
	return &part{name: name, counter: admission.NewCounter(name, 0)}
}

// add adds what may be shared.
func (l *lending) add(p *part) *part {
	l.parts[p.name], l.of[p.counter] = p, p
	at, _ := slices.BinarySearchFunc(l.list, p.name, func(o *part, name string) int { return cmp.Compare(o.name, name) })
	l.list = slices.Insert(l.list, at, p)
	return p
}

// remove forgets an object that nobody uses any more.
func (l *lending) remove(p *part) {
	delete(l.parts, p.name)
	delete(l.of, p.counter)
	l.list = slices.DeleteFunc(l.list, func(o *part) bool { return o == p })
}

// set says how much there is of a part in all, by the configuration.
func (l *lending) set(p *part, shared bool, total uint32) {
	p.shared, p.total = shared, total
	if p.always = l.strict[p.name]; l.lease != nil && shared {
		p.lend(l.lease)
	} else {
		p.own()
	}
}

// Whole says how much of everything that is shared the cluster has, and how much of it other peers use: what is
// near its limit, Levels says of the cluster.
func (r *Resources) Whole(of map[string]InCluster) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.lending.whole = of
}

// levelShared is how full something is: of the cluster's, where that is lent.
func (r *Resources) levelShared(c *admission.Counter) Level {
	r.changing.RLock()
	defer r.changing.RUnlock()
	l := levelOf(c)
	if whole, ok := r.lending.whole[c.Name()]; ok && r.lending.lease != nil {
		l.Limit, l.Used = whole.Ceiling, l.Used+min(whole.Used, admission.Unlimited-l.Used)
	}
	return l
}

// Wake has all those try again who wait. What they wait for then they say again.
func (r *Resources) Wake() { r.awaiting.wake() }

// lent says whether a ledger has what is shared out.
func (r *Resources) lent() bool {
	r.changing.RLock()
	defer r.changing.RUnlock()
	return r.lending.lease != nil
}
