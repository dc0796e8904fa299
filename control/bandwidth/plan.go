package bandwidth

import (
	"fmt"
	"slices"
)

// maxPlans is how many plans a Map remembers. Others are worked out for each call.
const maxPlans = 1 << 14

// Plan is the way of calls between two ends, and what they are charged on. It never
// changes.
type Plan struct {
	Nodes   []string // subzones and zones in the order of the way
	Links   []string // between them
	Charges []Charge // by ID, each object once
	PerCall Limit    // the lowest limit of one call on the way
	// PerCallAt is the first object on the way that has it, subzones before pipes.
	PerCallAt ID
	// Crossings are of the pipes among them, in the order of the way.
	Crossings []Crossing
}

// Charge says that a call's bandwidth counts Times on an object.
type Charge struct {
	ID    ID
	Times int
}

type planKey struct {
	from, to  int
	traversal bool
}

// Plan returns what a call between two subzones or zones is charged on. Traversal: its
// media passes the node. The answer is remembered.
func (m *Map) Plan(from, to string, traversal bool) (*Plan, error) {
	a, known := m.byName[from]
	if !known {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, from)
	}
	b, known := m.byName[to]
	if !known {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, to)
	}
	key := planKey{a, b, traversal}
	if p, known := m.plans.Load(key); known {
		return p.(*Plan), nil
	}
	p, err := m.plan(a, b, traversal)
	if err != nil {
		return nil, err
	}
	if m.kept.Add(1) <= maxPlans {
		m.plans.Store(key, p)
	}
	return p, nil
}

func (m *Map) plan(from, to int, traversal bool) (*Plan, error) {
	nodes, links, err := m.route(from, to, traversal)
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	for _, n := range nodes {
		p.Nodes = append(p.Nodes, m.objects[n].Name)
		p.charge(ID(n))
		p.limit(ID(n), m.perCall(n, from, to))
	}
	for at, i := range links {
		l := &m.links[i]
		p.cross(l, nodes[at])
		p.Links = append(p.Links, m.objects[l.id].Name)
		p.charge(l.id)
		for i, pipe := range l.ids {
			p.charge(pipe)
			p.limit(pipe, l.limits[i])
		}
	}
	slices.SortFunc(p.Charges, func(a, b Charge) int { return int(a.ID) - int(b.ID) })
	return p, nil
}

// perCall is the limit of one call at a node: whether it stays within a subzone is told
// by its ends, not by the way that its media takes.
func (m *Map) perCall(n, from, to int) Limit {
	if n == from && n == to {
		return m.nodes[n].within
	}
	return m.nodes[n].inOut
}

// limit takes an object's limit of one call into account.
func (p *Plan) limit(id ID, l Limit) {
	if l.Limited && (!p.PerCall.Limited || l.Kbps < p.PerCall.Kbps) {
		p.PerCall, p.PerCallAt = l, id
	}
}

func (p *Plan) charge(id ID) {
	for i := range p.Charges {
		if p.Charges[i].ID == id {
			p.Charges[i].Times++
			return
		}
	}
	p.Charges = append(p.Charges, Charge{id, 1})
}
