package dialplan

import (
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/trace"
)

// local asks what is registered: here, then on the peers (RG-01).
func (s *search) local(r *rule, a alias.Alias) {
	found := false
	bindings := s.bindings(a)
	for i := range bindings {
		b := &bindings[i]
		if b.Protocol != s.req.Protocol && s.plan.cfg.Interworking == InterworkingOff {
			s.miss(NoInterwork, r, "it is registered over the other protocol, and interworking is off")
			continue
		}
		found = true
		if s.also(b, a) {
			continue
		}
		s.target(Target{
			Kind: ToBinding, Alias: a, Priority: r.Priority, Rule: r.Name, Protocol: b.Protocol,
			Interworked: b.Protocol != s.req.Protocol, Zone: r.zone, Binding: *b, HopCount: s.req.HopCount,
		})
	}
	if !found && s.t != nil {
		s.missed(r, a.Name+" is not registered")
	}
}

// own asks what is registered on this node, for a peer: the rules that led here are the same
// there, and what they change was changed there.
func (s *search) own(a alias.Alias) {
	first := len(s.out.Targets)
	bindings := s.bindings(a)
	for i := range bindings {
		b := &bindings[i]
		switch {
		case b.Peer != 0:
			continue
		case len(s.req.Endpoints) > 0 && !slices.Contains(s.req.Endpoints, b.Endpoint):
			continue
		case b.Protocol != s.req.Protocol && s.plan.cfg.Interworking == InterworkingOff:
			s.because(NoInterwork, "")
			continue
		}
		s.target(Target{
			Kind: ToBinding, Alias: a, Protocol: b.Protocol, Interworked: b.Protocol != s.req.Protocol,
			Zone: s.plan.cfg.Zones.Local(), Binding: *b, HopCount: s.req.HopCount,
		})
	}
	s.settle(first)
	if len(s.out.Targets) == first && s.t != nil {
		s.refuse("registration", "", a.Name+" is not registered here, and a peer asks for nothing else")
	}
}

// bindings looks a name up.
func (s *search) bindings(a alias.Alias) []Binding {
	if s.net.Registrations == nil {
		return nil
	}
	s.out.bindings = s.net.Registrations.Lookup(s.out.bindings[:0], a.Name)
	return s.out.bindings
}

// also adds a binding on a peer to a target that is there: another way to the same endpoint,
// or another endpoint behind the same peer. It says whether there was one.
func (s *search) also(b *Binding, a alias.Alias) bool {
	if b.Peer == 0 {
		return false
	}
	same := func(which func(t *Target) bool) *Target {
		i := slices.IndexFunc(s.out.Targets, func(t Target) bool {
			return t.Kind == ToBinding && t.Alias == a && t.Protocol == b.Protocol && which(&t)
		})
		if i < 0 {
			return nil
		}
		return &s.out.Targets[i]
	}
	if t := same(func(t *Target) bool { return b.Endpoint != 0 && t.means(b.Endpoint) }); t != nil {
		s.count(t)
		if t.Binding.Peer != b.Peer && !t.Peers.Has(b.Peer) {
			t.Peers = t.Peers.With(b.Peer)
			s.tellAlso(t, b, "has a flow of the same endpoint: it is asked when the first way fails")
		}
		return true
	}
	if t := same(func(t *Target) bool { return t.Binding.Peer == b.Peer }); t != nil {
		s.count(t)
		t.More = append(t.More, b.Endpoint)
		s.tellAlso(t, b, "has another endpoint of the name: it is asked for both at once")
		return true
	}
	return false
}

// means says whether a target reaches an endpoint.
func (t *Target) means(endpoint uint64) bool {
	return t.Binding.Endpoint == endpoint || slices.Contains(t.More, endpoint)
}

func (s *search) tellAlso(t *Target, b *Binding, why string) {
	if s.t != nil {
		s.t.Add(trace.Step{Kind: "target", Name: t.Zone.Name, Outcome: trace.Noted, Why: fmt.Sprintf("peer %d %s", b.Peer, why)})
	}
}
