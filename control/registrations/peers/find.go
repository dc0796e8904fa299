package peers

import (
	"cmp"
	"slices"

	"turnpike.dev/turnpike/control/dialplan"
)

// Lookup appends the bindings of a canonical name: this node's own first, then those of
// peers that live, best first (RG-01, RG-04): peers that take calls, then what the endpoint
// prefers, then the newest. The dial plan asks each peer once, and an endpoint with flows to
// several nodes over one at a time (RG-03).
func (t *Table) Lookup(dst []dialplan.Binding, name string) []dialplan.Binding {
	dst = t.cfg.Own.Lookup(dst, name)
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := t.byName[name]
	if len(list) == 0 {
		return dst
	}
	var few [8]found
	all := few[:0]
	for _, r := range list {
		if at := t.places[r.owner]; at.Index != 0 && r.answers(name) {
			all = append(all, found{r, at})
		}
	}
	slices.SortFunc(all, better)
	for _, f := range all {
		dst = append(dst, dialplan.Binding{ID: f.id, Protocol: f.protocol(), Peer: f.at.Index, Contact: f.contact, Endpoint: f.endpoint})
	}
	return dst
}

// found is a binding, and where its owner is.
type found struct {
	*remote
	at Place
}

func better(a, b found) int {
	return cmp.Or(maintained(a)-maintained(b), cmp.Compare(b.q, a.q), b.stamp.Compare(a.stamp), cmp.Compare(a.at.Index, b.at.Index), cmp.Compare(a.id, b.id))
}

func maintained(f found) int {
	if f.at.Maintenance {
		return 1
	}
	return 0
}
