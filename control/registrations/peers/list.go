package peers

import (
	"cmp"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/registrations"
)

// Registration is a binding of a peer, for people.
type Registration struct {
	// Peer is the place in the list, Node the name.
	Peer uint8  `json:"peer"`
	Node string `json:"node"`
	registrations.Binding
}

// List returns what is registered on peers that live, by name. Refreshes are not spread:
// when each expires its owner knows.
func (t *Table) List() []Registration {
	return t.list(func(*remote) bool { return true })
}

// Of returns what is registered under a canonical name on peers that live.
func (t *Table) Of(name string) []Registration {
	return t.list(func(r *remote) bool { return r.aor == name || slices.Contains(r.also, name) })
}

func (t *Table) list(wanted func(*remote) bool) []Registration {
	now := time.Now()
	t.mu.RLock()
	out := []Registration{}
	for _, r := range t.theirs {
		if !wanted(r) {
			continue
		}
		if d, err := decode(r.value); err == nil {
			place := t.places[r.owner]
			out = append(out, Registration{Peer: place.Index, Node: place.Name, Binding: d.binding(now)})
		}
	}
	t.mu.RUnlock()
	slices.SortFunc(out, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.AOR, b.AOR), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Counts returns how many registrations each peer that lives has, by its place.
func (t *Table) Counts() map[uint8]int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := map[uint8]int{}
	for _, r := range t.theirs {
		out[t.places[r.owner].Index]++
	}
	return out
}
