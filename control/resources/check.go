package resources

import (
	"errors"

	"turnpike.dev/turnpike/control/bandwidth"
)

// CheckResult is what a call between two nodes would get (CheckBandwidth, facts A1.5), of what the cluster has where it
// shares something out.
type CheckResult struct {
	Nodes, Links []string
	Charges      []Charge
	Left         []Left // of each of Charges
	Kbps         uint32 // that it would have; 0: see Why
	Why          Why    // 0: granted
	At           string // the object whose limit decided, also where it was granted less
	// AtOnce is what it would have of what is here; of a call that would get more it is less than Kbps, and the call waits.
	AtOnce uint32
}

// Left is how much calls may still take of an object.
type Left struct {
	Limited, Shared bool
	Here, Cluster   uint32 // Cluster is of what is shared, Here among it
}

// Check says what a call between two subzones or zones would get, and changes nothing
// (CheckBandwidth). An error: there is no such subzone or zone.
func (r *Resources) Check(from, to string, kbps uint32, traversal bool) (CheckResult, error) {
	r.changing.RLock()
	defer r.changing.RUnlock()
	rules := r.rules
	p, err := rules.plan.Plan(from, to, traversal)
	if errors.Is(err, bandwidth.ErrNoWay) {
		return CheckResult{Why: NoWay, At: err.Error()}, nil
	}
	if err != nil {
		return CheckResult{}, err
	}
	out := CheckResult{Nodes: p.Nodes, Links: p.Links}
	asked := rules.asked(Way{Asked: kbps})
	here, _, _ := p.Grant(asked, rules.downspeed, (*atOnce)(r))
	granted, why, at := p.Grant(asked, rules.downspeed, (*everywhere)(r))
	out.Kbps, out.AtOnce = uint32(granted), uint32(here)
	for _, c := range p.Charges {
		o := rules.objects[c.ID]
		out.Charges = append(out.Charges, Charge{Kind: o.kind, Name: o.name, Times: c.Times, Kbps: uint32(granted)})
		out.Left = append(out.Left, r.left(c.ID))
	}
	switch why {
	case bandwidth.OverPerCall:
		out.Why = OverPerCall
	case bandwidth.OverTotal:
		out.Why = OverTotal
	}
	if granted < asked {
		out.At = rules.objects[at].String()
	}
	return out, nil
}

// left says how much calls may still take of an object. changing is held.
func (r *Resources) left(id bandwidth.ID) Left {
	here, limited := (*atOnce)(r).Left(id)
	all, _ := (*everywhere)(r).Left(id)
	p := r.rules.objects[id].part
	return Left{Limited: limited, Shared: limited && p != nil && r.lending.lease != nil, Here: uint32(here), Cluster: uint32(all)}
}

// atOnce is what is left here for a call that waits for nobody. changing is held.
type atOnce Resources

// Left implements bandwidth.Use.
func (r *atOnce) Left(id bandwidth.ID) (kbps int, limited bool) {
	o := r.rules.objects[id]
	kbps, limited = o.left(0)
	if limited {
		if _, usable := o.counter.Usable(); !usable {
			return 0, true
		}
	}
	return kbps, limited
}

// everywhere is what is left for a call that waits for what peers have idle. changing is held.
type everywhere Resources

// Left implements bandwidth.Use.
func (r *everywhere) Left(id bandwidth.ID) (kbps int, limited bool) {
	kbps, limited = (*atOnce)(r).Left(id)
	if p := r.rules.objects[id].part; limited && p != nil && r.lending.lease != nil {
		kbps = max(kbps, int((*Resources)(r).comes(p)))
	}
	return kbps, limited
}

// comes is how much of a part the cluster has left for this node: nothing while nobody can give it any. changing is held.
func (r *Resources) comes(p *part) uint64 {
	whole, known := r.lending.whole[p.name]
	if !known || r.lending.to == nil {
		return 0
	}
	switch r.lending.to.Cause(Unmet{Name: p.name}) {
	case NoMajority, NoLease, FirstShare, Damaged:
		return 0
	}
	_, used := p.counter.Read()
	gone := uint64(whole.Used) + uint64(whole.Held) + uint64(used)
	return uint64(whole.Ceiling) - min(gone, uint64(whole.Ceiling))
}
