package ledger

import (
	"maps"

	"turnpike.dev/turnpike/cluster"
)

// Table is what is agreed on: the totals and the ceilings. It is the same on all peers after
// the same entries.
type Table struct {
	Totals map[Resource]Total
	Grants map[cluster.ID]map[Resource]Grant
}

// NewTable returns a table in which nothing is granted.
func NewTable() *Table {
	return &Table{Totals: map[Resource]Total{}, Grants: map[cluster.ID]map[Resource]Grant{}}
}

// Apply changes the table as an entry says. What cannot be leaves it as it was.
func (t *Table) Apply(e Entry) {
	switch {
	case e.Total != nil:
		t.Totals[e.Resource] = *e.Total
	case e.Gone:
		t.gone(e.Resource)
	case e.Free:
		t.free(e)
	case e.Want != nil:
		t.want(e.Peer, e.Incarnation, *e.Want)
	}
}

// gone forgets a total, and whoever has none of it. What somebody has stays his until he gives it back: there may be a
// total again.
func (t *Table) gone(r Resource) {
	delete(t.Totals, r)
	for id, of := range t.Grants {
		if g, ok := of[r]; ok && g.Amount == 0 && !g.Freed {
			t.forget(id, r)
		}
	}
}

func (t *Table) forget(peer cluster.ID, r Resource) {
	if delete(t.Grants[peer], r); len(t.Grants[peer]) == 0 {
		delete(t.Grants, peer)
	}
}

// free frees what the peer's process of that time had. One that started since has said what it holds.
func (t *Table) free(e Entry) {
	for r, g := range t.Grants[e.Peer] {
		if g.Incarnation <= e.Incarnation && (e.All || g.Leased && t.Totals[r].Hold <= e.Hold) {
			g.Amount, g.Freed = 0, true
			t.Grants[e.Peer][r] = g
		}
	}
}

func (t *Table) want(peer cluster.ID, incarnation cluster.Incarnation, w Want) {
	had, known := t.Grants[peer][w.Resource]
	_, shared := t.Totals[w.Resource]
	switch {
	case !shared && !known && !w.Held:
		return // there is no such thing
	case incarnation < had.Incarnation || incarnation == had.Incarnation && w.Number <= had.Number:
		return // answered already
	case !w.Held && (had.Freed || known && incarnation > had.Incarnation):
		return // first it has to say what it holds
	}
	amount := w.Amount
	if !w.Held && amount > had.Amount {
		amount = max(had.Amount, min(amount, satAdd(had.Amount, t.Left(w.Resource))))
	}
	if !shared && amount == 0 {
		t.forget(peer, w.Resource)
		return
	}
	if t.Grants[peer] == nil {
		t.Grants[peer] = map[Resource]Grant{}
	}
	t.Grants[peer][w.Resource] = Grant{Incarnation: incarnation, Number: w.Number, Amount: amount, Leased: w.Leased, More: w.More && amount < w.Amount}
}

func satAdd(a, b uint32) uint32 { return a + min(b, ^uint32(0)-a) }

// Granted returns the sum of the ceilings of a resource.
func (t *Table) Granted(r Resource) uint64 {
	var sum uint64
	for _, of := range t.Grants {
		sum += uint64(of[r].Amount)
	}
	return sum
}

// Left returns how much of a resource nobody has.
func (t *Table) Left(r Resource) uint32 {
	total, granted := uint64(t.Totals[r].Amount), t.Granted(r)
	return uint32(total - min(granted, total))
}

// Over says by how much the ceilings are more than the total, as they may be when sides of a
// partition meet again or a total was lowered. Nothing grows until they are not.
func (t *Table) Over(r Resource) uint32 {
	total, granted := uint64(t.Totals[r].Amount), t.Granted(r)
	return uint32(min(granted-min(granted, total), uint64(^uint32(0))))
}

// Of returns a copy of a peer's line.
func (t *Table) Of(peer cluster.ID) map[Resource]Grant { return maps.Clone(t.Grants[peer]) }

// Clone returns a copy of the table.
func (t *Table) Clone() *Table {
	out := &Table{Totals: maps.Clone(t.Totals), Grants: make(map[cluster.ID]map[Resource]Grant, len(t.Grants))}
	for id, of := range t.Grants {
		out.Grants[id] = maps.Clone(of)
	}
	return out
}
