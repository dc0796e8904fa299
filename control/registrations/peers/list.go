package peers

import (
	"cmp"
	"slices"
	"time"

	"turnpike.dev/turnpike/control/registrations"
)

// Registration is a binding of one of the cluster's nodes, for people.
type Registration struct {
	// Peer is the place in the list, Node the name.
	Peer uint8  `json:"peer"`
	Node string `json:"node"`
	registrations.Binding
}

// List returns what is registered here and on peers that live, by name; with a canonical
// name only what it names. Refreshes are not spread: when a peer's binding expires is known
// to the peer, and what stands here is the latest that it can be.
func (t *Table) List(name string) []Registration {
	own := t.cfg.Own.List()
	if name != "" {
		own = t.cfg.Own.Of(name)
	}
	out := t.list(func(r *remote) bool { return name == "" || r.aor == name || slices.Contains(r.also, name) })
	t.mu.RLock()
	here := t.places[t.cfg.Self]
	t.mu.RUnlock()
	for _, b := range own {
		out = append(out, Registration{Peer: here.Index, Node: here.Name, Binding: *b})
	}
	slices.SortFunc(out, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.AOR, b.AOR), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (t *Table) list(wanted func(*remote) bool) []Registration {
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
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
