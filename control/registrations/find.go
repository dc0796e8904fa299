package registrations

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/dialplan"
)

// Lookup appends the bindings of a canonical name, best first (RG-01). Of the flows of
// one endpoint only the newest is there: no request goes to two of them at a time
// (RFC 5626 section 7); Flows has the others. What another registrar holds is not found by
// its name, about which that registrar decides, but by its contact, which it asks for.
func (t *Table) Lookup(dst []dialplan.Binding, name string) []dialplan.Binding {
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := t.byName[name]
	first := len(dst)
	for i, e := range list {
		if !e.Reachable(now) || e.Proxied && name == e.AOR || t.outdone(list, i, now) {
			continue
		}
		dst = append(dst, dialplan.Binding{ID: e.ID, Protocol: e.Protocol, Endpoint: e.Endpoint(), Contact: e.Contact})
	}
	if len(dst)-first > 1 {
		slices.SortStableFunc(dst[first:], func(a, b dialplan.Binding) int {
			return cmp.Compare(t.byID[b.ID].Q, t.byID[a.ID].Q)
		})
	}
	return dst
}

// outdone says whether the same endpoint has a newer flow that works.
func (t *Table) outdone(list []*entry, i int, now time.Time) bool {
	e := list[i]
	if e.Instance == "" {
		return false
	}
	for j, other := range list {
		if j != i && other.Instance == e.Instance && other.Reachable(now) && newer(other.Binding, e.Binding) {
			return true
		}
	}
	return false
}

func newer(a, b *Binding) bool {
	if c := a.Expires.Compare(b.Expires); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}

// Flows returns a binding and the other flows of the same endpoint, in the order in
// which they should be tried: the next when one fails (RG-03, RFC 5626 section 7).
func (t *Table) Flows(id uint64) []*Binding {
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.byID[id]
	if e == nil {
		return nil
	}
	flows := []*Binding{e.Binding}
	if e.Instance == "" {
		return flows
	}
	for _, other := range t.byName[e.AOR] {
		if other != e && other.Instance == e.Instance && other.Reachable(now) {
			flows = append(flows, other.Binding)
		}
	}
	slices.SortStableFunc(flows[1:], func(a, b *Binding) int {
		if newer(a, b) {
			return -1
		}
		return 1
	})
	return flows
}

// Of returns the bindings of a canonical name that have not expired.
func (t *Table) Of(name string) []*Binding {
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.of(name, now)
}

func (t *Table) of(name string, now time.Time) []*Binding {
	list := t.byName[name]
	if len(list) == 0 {
		return nil
	}
	have := make([]*Binding, 0, len(list))
	for _, e := range list {
		if now.Before(e.Expires) {
			have = append(have, e.Binding)
		}
	}
	return have
}

// From appends the bindings that came over a connection or, with flow 0, in datagrams
// from an address.
func (t *Table) From(dst []*Binding, flow uint64, source netip.AddrPort) []*Binding {
	o := origin{source: source}
	if flow != 0 {
		o = origin{flow: flow}
	}
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	for e := t.byOrigin[o]; e != nil; e = e.next {
		if now.Before(e.Expires) {
			dst = append(dst, e.Binding)
		}
	}
	return dst
}

// Get returns a binding by its ID.
func (t *Table) Get(id uint64) (*Binding, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.byID[id]; e != nil {
		return e.Binding, true
	}
	return nil, false
}

// Find returns a binding by its serial.
func (t *Table) Find(s Serial) (*Binding, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.bySerial[s]; e != nil {
		return e.Binding, nil
	}
	return nil, ErrUnknown
}

// List returns all bindings by name.
func (t *Table) List() []*Binding {
	now := time.Now()
	t.mu.RLock()
	all := make([]*Binding, 0, len(t.byID))
	for _, e := range t.byID {
		if now.Before(e.Expires) {
			all = append(all, e.Binding)
		}
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Binding) int {
		return cmp.Or(cmp.Compare(a.AOR, b.AOR), cmp.Compare(a.ID, b.ID))
	})
	return all
}
