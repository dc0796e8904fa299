package resources

import (
	"turnpike.dev/turnpike/control/admission"
)

// Pool is told which licences this node brings to its cluster: the cluster has the sum (LI-01).
type Pool interface {
	Brings(map[string]uint32)
}

// pool are the licences. While they are lent, what may be used of them here is the cluster's to say.
type pool struct {
	to     Pool
	brings map[*admission.Counter]uint32
	lent   *admission.Lease  // nil: they are this node's own
	whole  map[string]Shared // of the cluster: all there is, and what others use of it
}

// Shared is how much of something may be used, and how much is.
type Shared struct{ Ceiling, Used uint32 }

// Share gives Resources whom to tell what this node brings.
func (r *Resources) Share(to Pool) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.pool.to = to
	r.share()
}

// share tells what this node brings. changing is held.
func (r *Resources) share() {
	if r.pool.to == nil {
		return
	}
	brings := map[string]uint32{}
	for c, n := range r.pool.brings {
		brings[c.Name()] = n
	}
	r.pool.to.Brings(brings)
}

// Lend puts the ceilings of licences into a ledger's hands: each is what the ledger has given, and more may be
// taken only while the lease runs. Change leaves them alone from now on. What is in use beyond them stays.
func (r *Resources) Lend(lease *admission.Lease, given map[string]uint32) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.pool.lent = lease
	r.awaiting.begin()
	for c := range r.pool.brings {
		c.Lend(lease)
		c.Set(given[c.Name()])
	}
}

// licence returns the counter of the licences with a name; nil: there is none.
func (r *Resources) licence(name string) *admission.Counter {
	for _, c := range []*admission.Counter{r.limits.rms, r.limits.room, r.limits.desktop} {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// Raise raises the ceiling of licences that are lent.
func (r *Resources) Raise(name string, to uint32) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if c := r.licence(name); c != nil && r.pool.lent != nil {
		now, _ := c.Read()
		c.Grow(to - min(now, to)) // nobody but the ledger moves it
	}
}

// Lower lowers the ceiling of licences that are lent as far as nothing is in use, and returns what it is then.
func (r *Resources) Lower(name string, to uint32) uint32 {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if c := r.licence(name); c != nil && r.pool.lent != nil {
		return c.Shrink(to)
	}
	return 0
}

// Licences says of each kind how much may be used here, and how much is.
func (r *Resources) Licences() map[string]Shared {
	out := map[string]Shared{}
	for _, c := range []*admission.Counter{r.limits.rms, r.limits.room, r.limits.desktop} {
		ceiling, used := c.Read()
		out[c.Name()] = Shared{ceiling, used}
	}
	return out
}

// Whole says how much of each kind of licences the cluster has, and how much of it other peers use: what is
// near its limit, Levels says of the cluster.
func (r *Resources) Whole(of map[string]Shared) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.pool.whole = of
}

// levelOfLicences is how full licences are: of the cluster's, where they are lent.
func (r *Resources) levelOfLicences(c *admission.Counter) Level {
	r.changing.RLock()
	defer r.changing.RUnlock()
	l := levelOf(c)
	if whole, ok := r.pool.whole[c.Name()]; ok && r.pool.lent != nil {
		l.Limit, l.Used = whole.Ceiling, l.Used+min(whole.Used, admission.Unlimited-l.Used)
	}
	return l
}

// lent says whether a ledger has what is shared out.
func (r *Resources) lent() bool {
	r.changing.RLock()
	defer r.changing.RUnlock()
	return r.pool.lent != nil
}
