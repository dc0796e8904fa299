package resources

import (
	"maps"
	"slices"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
)

// Pool is told what this node shares with the other peers of its cluster, and how much there is of it.
type Pool interface {
	// Brings are the licences that this node brings: the cluster has the sum (LI-01).
	Brings(map[string]uint32)
	// Totals are how much there is of everything else, for all peers together (BW-05): those subzones and
	// pipes that have a limit.
	Totals(map[string]uint32)
}

// pool is what is shared with the other peers. While it is on, ceilings are the ledger's.
type pool struct {
	on      bool
	to      Pool
	lease   *admission.Lease
	brings  map[*admission.Counter]uint32
	limited map[*object]uint32
}

// Share gives Resources whom to tell what is shared. It comes before the first Change that matters.
func (r *Resources) Share(to Pool) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.pool.to = to
	r.share()
}

// share tells what is shared. changing is held.
func (r *Resources) share() {
	if r.pool.to == nil {
		return
	}
	brings, totals := map[string]uint32{}, map[string]uint32{}
	for c, n := range r.pool.brings {
		brings[c.Name()] = n
	}
	for o, n := range r.pool.limited {
		totals[o.counter.Name()] = n
	}
	r.pool.to.Brings(brings)
	r.pool.to.Totals(totals)
}

// limit moves what all calls together may use of an object, here or in the cluster. changing is held.
func (r *Resources) limit(o *object, l bandwidth.Limit) {
	if r.pool.limited == nil {
		r.pool.limited = map[*object]uint32{}
	}
	if o.counter == nil {
		return
	}
	_, was := r.pool.limited[o]
	if !l.Limited {
		delete(r.pool.limited, o)
		o.counter.Lend(nil)
		o.limit(l)
		return
	}
	r.pool.limited[o] = uint32(min(max(l.Kbps, 0), bandwidth.MaxKbps))
	switch {
	case !r.pool.on:
		o.limit(l)
	case !was:
		r.lend(o.counter) // the cluster gives it what it may use
	}
}

// lend lets a counter have what is in use; more is the ledger's to give. changing is held.
func (r *Resources) lend(c *admission.Counter) {
	c.Lend(r.pool.lease)
	c.Shrink(0)
	if ceiling, used := c.Read(); used > ceiling {
		c.Set(used) // of a process before: the cluster has to know of all of it
	}
}

// Lend puts the ceilings of what is shared into a ledger's hands: each is what is in use now, and more may
// be taken only while the lease runs. It returns the ceilings.
func (r *Resources) Lend(lease *admission.Lease) map[string]uint32 {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.pool.on, r.pool.lease = true, lease
	out := map[string]uint32{}
	for _, c := range r.shared() {
		r.lend(c)
		out[c.Name()], _ = c.Read()
	}
	return out
}

// shared are the counters that are shared, by name. changing is held.
func (r *Resources) shared() []*admission.Counter {
	out := slices.Collect(maps.Keys(r.pool.brings))
	for o := range r.pool.limited {
		out = append(out, o.counter)
	}
	return out
}

// counter returns the shared counter with a name; nil: there is none (any more).
func (r *Resources) counter(name string) *admission.Counter {
	for _, c := range r.shared() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// Raise raises the ceiling of something shared.
func (r *Resources) Raise(name string, to uint32) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if c := r.counter(name); c != nil && r.pool.on {
		now, _ := c.Read()
		c.Grow(to - min(now, to)) // only the ledger moves it
	}
}

// Lower lowers the ceiling of something shared as far as nothing is in use, and returns what it is then.
func (r *Resources) Lower(name string, to uint32) uint32 {
	r.changing.RLock()
	defer r.changing.RUnlock()
	if c := r.counter(name); c != nil && r.pool.on {
		return c.Shrink(to)
	}
	return 0
}

// Shared is how much of something shared may be used here, and how much is.
type Shared struct{ Ceiling, Used uint32 }

// Shared lists what is shared, by name.
func (r *Resources) Shared() map[string]Shared {
	r.changing.RLock()
	defer r.changing.RUnlock()
	out := map[string]Shared{}
	for _, c := range r.shared() {
		ceiling, used := c.Read()
		out[c.Name()] = Shared{ceiling, used}
	}
	return out
}
