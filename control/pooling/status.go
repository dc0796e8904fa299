package pooling

import (
	"cmp"
	"maps"
	"slices"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/member"
	"turnpike.dev/turnpike/control/resources"
)

// Policies, as a Share says them.
const (
	Available = "available"
	Strict    = "strict"
)

// State is what is special about a resource now; empty: nothing.
type State string

// States.
const (
	// CountsApart: nobody leads the cluster's agreement, and this side of it counts for itself.
	CountsApart State = "counts apart"
	// WaitsForShare: nothing of it is admitted here before the cluster has given the first share.
	WaitsForShare State = "waits for its first share"
	// OverTotal: peers have more than there is, as they may when a total was lowered or sides of a partition meet again.
	OverTotal State = "over its total"
)

// Amounts are how much there is of a resource, how much may be used of it and how much is, in the units of the ledger:
// halves of rich media sessions, kbit/s, units of calls.
type Amounts struct {
	Total, Granted, Used uint64
	// Measured is what really passes a pipe, in kbit/s.
	Measured uint64
}

// Share is how a resource is shared out, here and in the cluster.
type Share struct {
	Name   string // in the ledger: "rms", "pipe NAME", "cluster calls", …
	Kind   resources.PartKind
	Policy string
	State  State
	// Here is this node's: of licences Total is what it brings.
	Here, Cluster Amounts
	// Of is what each peer has, this node among them.
	Of map[cluster.ID]Amounts
	// Waiting is how many requests wait here for some of it.
	Waiting int
}

// Shares says how everything that is shared stands, by name; nil: this node shares nothing.
func (p *Pooling) Shares() []Share {
	if p == nil {
		return nil
	}
	shared, on := p.deps.Member.Ledger()
	if !on {
		return nil
	}
	parts := p.deps.Resources.Parts()
	out := make([]Share, 0, len(parts))
	for _, part := range parts {
		out = append(out, p.share(part, &shared))
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return out
}

// Share says how one resource stands; false: it is not shared.
func (p *Pooling) Share(name string) (Share, bool) {
	if p == nil {
		return Share{}, false
	}
	shared, on := p.deps.Member.Ledger()
	part, ok := p.deps.Resources.Part(name)
	if !on || !ok {
		return Share{}, false
	}
	return p.share(part, &shared), true
}

func (p *Pooling) share(part resources.Part, shared *member.Ledger) Share {
	r := ledger.Resource(part.Name)
	h, agreed := shared.Resources[r]
	s := Share{
		Name: part.Name, Kind: part.Kind, Policy: policyText(h.Policy), Waiting: int(part.Waits),
		Here:    Amounts{Total: uint64(part.Total), Granted: uint64(part.Ceiling), Used: uint64(part.Used)},
		Cluster: Amounts{Total: uint64(h.Total), Granted: h.Granted, Used: uint64(part.Used) + uint64(p.elsewhere(part.Name))},
		Of:      p.peersOf(part, h),
	}
	if part.Kind == resources.LicencePart {
		s.Here.Total = uint64(shared.Own[r])
	}
	if p.deps.Measured != nil && part.Kind == resources.PipePart {
		s.Here.Measured = uint64(p.deps.Measured(part.Name))
	}
	s.State = state(part, h, agreed, shared)
	return s
}

// peersOf is what each peer has of a resource. What others use is a second old.
func (p *Pooling) peersOf(part resources.Part, h member.Holding) map[cluster.ID]Amounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[cluster.ID]Amounts{p.deps.Self: {Granted: uint64(part.Ceiling), Used: uint64(part.Used)}}
	ids := maps.Clone(h.Of)
	for id, used := range p.others {
		if used[part.Name] > 0 && ids[id] == 0 {
			out[id] = Amounts{Used: uint64(used[part.Name])}
		}
	}
	for id, n := range ids {
		if id != p.deps.Self {
			out[id] = Amounts{Granted: uint64(n), Used: uint64(p.others[id][part.Name])}
		}
	}
	return out
}

// state says what is special. What was never wanted here has no share, and needs none.
func state(part resources.Part, h member.Holding, agreed bool, shared *member.Ledger) State {
	switch {
	case !shared.Begun || !agreed || !part.Told && part.Waits > 0:
		return WaitsForShare
	case shared.Aside && h.Policy == ledger.Available:
		return CountsApart
	case h.Granted > uint64(h.Total):
		return OverTotal
	}
	return ""
}

func policyText(p ledger.Policy) string {
	if p == ledger.Strict {
		return Strict
	}
	return Available
}
