package resources

import (
	"cmp"
	"maps"
	"slices"

	"turnpike.dev/turnpike/control/admission"
	"turnpike.dev/turnpike/control/bandwidth"
)

// ObjectUse is how much calls use of an object (facts A1.4).
type ObjectUse struct {
	Kind        bandwidth.Kind
	Name        string
	Total       bandwidth.Limit // of subzones and pipes
	PerCall     bandwidth.Limit // of a pipe and the Traversal Subzone; of a subzone in and out of it
	Within      bandwidth.Limit // of a call between two endpoints of a subzone
	GrantedKbps uint64
	Calls       int
}

// GrantInfo is a grant as operators see it.
type GrantInfo struct {
	Serial    string
	Granted   Granted
	Recovered bool // of a process before, and not adopted yet
}

// Names of levels.
const (
	LevelCalls         = "calls"         // capacity, in units of which a video call takes most
	LevelTraversal     = "traversal"     // units of calls whose media passes the node
	LevelNonTraversal  = "non_traversal" // units of the others
	LevelRMS           = "rms"           // halves of licences
	LevelRegistrations = "registrations"
	LevelRoom          = "room"
	LevelDesktop       = "desktop"
	LevelProxied       = "proxied"
	LevelRelays        = "relays"
)

// Level is how full a limit is.
type Level struct {
	Name        string
	Used, Limit uint32
}

// all returns the grants.
func (r *Resources) all() []*Grant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.grants))
}

// held returns what all calls have now.
func (r *Resources) held() []*held {
	list := r.all()
	out := make([]*held, 0, len(list))
	for _, g := range list {
		g.mu.Lock()
		if g.has != nil {
			out = append(out, g.has)
		}
		g.mu.Unlock()
	}
	return out
}

// Objects lists subzones, zones, links and pipes with what calls use of each, in the order
// of the map.
func (r *Resources) Objects() []ObjectUse {
	kbps, calls := map[key]uint64{}, map[key]int{}
	for _, h := range r.held() {
		for _, t := range h.tolls {
			kbps[t.object.key] += uint64(t.sum())
			calls[t.object.key]++
		}
	}
	r.changing.RLock()
	defer r.changing.RUnlock()
	out := make([]ObjectUse, 0, len(r.rules.objects))
	for _, o := range r.rules.plan.Objects() {
		k := key{o.Kind, o.Name}
		one := r.rules.one[k]
		out = append(out, ObjectUse{Kind: o.Kind, Name: o.Name, Total: o.Total, PerCall: one.perCall, Within: one.within, GrantedKbps: kbps[k], Calls: calls[k]})
	}
	return out
}

// ofOne are the limits of one call on an object.
type ofOne struct{ perCall, within bandwidth.Limit }

// limitsOfOne are those of the objects that have any.
func limitsOfOne(c bandwidth.Config) map[key]ofOne {
	limits := make(map[key]ofOne, len(c.Subzones)+len(c.Pipes)+1)
	for _, s := range c.Subzones {
		limits[key{bandwidth.AtSubzone, s.Name}] = ofOne{s.InOut, s.Within}
	}
	limits[key{bandwidth.AtSubzone, c.Traversal.Name}] = ofOne{perCall: c.Traversal.PerCall}
	for _, p := range c.Pipes {
		limits[key{bandwidth.AtPipe, p.Name}] = ofOne{perCall: p.PerCall}
	}
	return limits
}

// Grants lists what calls have, the oldest first.
func (r *Resources) Grants() []GrantInfo {
	list := slices.SortedFunc(slices.Values(r.all()), func(a, b *Grant) int { return cmp.Compare(a.id, b.id) })
	out := make([]GrantInfo, 0, len(list))
	for _, g := range list {
		g.mu.Lock()
		if g.has != nil {
			out = append(out, GrantInfo{Serial: g.serial, Granted: g.granted(), Recovered: !g.until.IsZero()})
		}
		g.mu.Unlock()
	}
	return out
}

// Calls returns how many calls have a grant.
func (r *Resources) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.grants)
}

// Levels says how full the limits are that are not of bandwidth.
func (r *Resources) Levels() []Level {
	var traversal, others uint32
	for _, h := range r.held() {
		if len(h.lanes) > 0 && h.lanes[0].way.Traversal {
			traversal += h.units
		} else {
			others += h.units
		}
	}
	l := &r.limits
	capacity, _ := l.calls.Read()
	out := []Level{
		levelOf(l.calls), {LevelTraversal, traversal, capacity}, {LevelNonTraversal, others, capacity},
	}
	return append(
		out, r.levelShared(l.rms), levelOf(l.registrations), r.levelShared(l.room), r.levelShared(l.desktop),
		levelOf(l.proxied), levelOf(l.relays),
	)
}

// WholeLevels says how full the capacity is that all peers of the cluster share; nothing where each has its own.
func (r *Resources) WholeLevels() []Level {
	if !r.lent() {
		return nil
	}
	var out []Level
	of := &r.limits.whole
	for _, c := range []*admission.Counter{of.calls, of.registrations, of.proxied, of.relays} {
		if _, shared := r.Part(c.Name()); shared {
			out = append(out, r.levelShared(c))
		}
	}
	return out
}

func levelOf(c *admission.Counter) Level {
	limit, used := c.Read()
	return Level{Name: c.Name(), Used: used, Limit: limit}
}
