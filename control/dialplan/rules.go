package dialplan

import (
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// why is why a rule does not match.
type why uint8

const (
	matches why = iota
	disabled
	otherProtocol
	otherSource
	notAuthenticated
	otherCaller
	otherFrom
	otherMode
	otherAlias
)

// why compares a search rule with a request.
func (r *rule) why(q *Request, a alias.Alias) why {
	switch {
	case r.Disabled:
		return disabled
	case r.Protocol != AnyProtocol && r.Protocol != q.Protocol:
		return otherProtocol
	case !r.source.covers(q):
		return otherSource
	case r.Authenticated && !q.Authenticated:
		return notAuthenticated
	case r.Mode == AnyAlias && a.Kind == alias.IP, r.Mode == AnyIPAddress && a.Kind != alias.IP:
		return otherMode
	case r.Mode == AliasPattern && !r.rewrite.Pattern.Match(a.Name):
		return otherAlias
	}
	return matches
}

// why compares a policy rule with a request.
func (r *policyRule) why(q *Request, name string) why {
	switch {
	case r.Disabled:
		return disabled
	case !r.source.covers(q):
		return otherSource
	case r.Caller == Authenticated && !q.Authenticated, r.Caller == Unauthenticated && q.Authenticated:
		return otherCaller
	case !r.from.match(q.Caller.Name):
		return otherFrom
	case !r.to.match(name):
		return otherAlias
	}
	return matches
}

// rules is steps 5 to 7: the rules by priority. Those of one priority make up two
// groups of targets, first those in the request's own protocol. What is found among
// registrations, and a rule that says stop, end the search with their priority.
func (s *search) rules(a alias.Alias) {
	first, priority, stop := len(s.out.Targets), 0, false
	it := s.iterate(&s.plan.byRule, len(s.plan.rules), a.Name)
	for i := it.next(0); i >= 0; i = it.next(i + 1) {
		r := &s.plan.rules[i]
		if r.Priority != priority {
			if found := s.settle(first); found || stop {
				s.explainEarly(found, priority)
				return
			}
			first, priority = len(s.out.Targets), r.Priority
		}
		if why := r.why(s.req, a); why != matches {
			if s.t != nil {
				s.skip("rule", r.Name, why == disabled, r.Priority, r.explain(why, s.req, a.Name))
			}
			continue
		}
		stop = stop || r.Stop
		s.follow(r, a)
	}
	s.settle(first)
}

// settle puts the targets of one priority, from first on, in order: those in the
// request's protocol before the interworked. It says whether one is found for certain;
// found without interworking leaves the interworked ones out.
func (s *search) settle(first int) bool {
	native, other := s.native, s.other
	s.native, s.other = false, false
	targets := s.out.Targets[first:]
	slices.SortStableFunc(targets, func(a, b Target) int { return btoi(a.Interworked) - btoi(b.Interworked) })
	n := 0
	for n < len(targets) && !targets[n].Interworked {
		n++
	}
	if native && n < len(targets) {
		s.explainNative(len(targets) - n)
		targets = targets[:n]
		s.out.Targets = s.out.Targets[:first+n]
	}
	group := 0
	if first > 0 {
		group = s.out.Targets[first-1].Group + 1
	}
	for i := range targets {
		targets[i].Group = group
		if n > 0 && i >= n {
			targets[i].Group++
		}
	}
	return native || other
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// follow is steps 6 and 7 for a rule that matches.
func (s *search) follow(r *rule, a alias.Alias) {
	to, ok := s.change(a, &r.rewrite, "rule", r.Name)
	if !ok {
		return
	}
	if s.t != nil {
		s.explainRule(r, a, to)
	}
	switch r.zone.Type {
	case zones.Local:
		s.local(r, to)
	default:
		s.zone(r, to)
	}
}

// zone asks a zone outside.
func (s *search) zone(r *rule, a alias.Alias) {
	z := r.zone
	addr := a.Addr()
	unknown := addr.IsValid() && !slices.Contains(s.plan.cfg.Own, addr)
	hops := min(s.req.HopCount, z.HopCount)
	switch {
	case hops < 1:
		s.miss(HopsUsedUp, r, "the hop count is used up")
		return
	case unknown && s.plan.cfg.UnknownIP == Off:
		s.miss(IPRefused, r, "calls to unknown IP addresses are off")
		return
	case unknown && s.plan.cfg.UnknownIP == Direct:
		s.miss(NotFound, r, "calls to unknown IP addresses are placed directly: no zone is asked")
		return
	case z.Type == zones.DNS && (a.Kind != alias.URI || addr.IsValid()):
		s.miss(NotFound, r, "DNS has an answer for names with a domain only")
		return
	}
	t := Target{Kind: ToZone, Alias: a, Priority: r.Priority, Rule: r.Name, Zone: z, HopCount: hops}
	if z.Type == zones.DNS {
		t.Kind = ToDNS
	} else if t.Order = zones.Choose(z, s.net.Health, a.Name); t.Order.Len() == 0 {
		s.miss(Unreachable, r, "all of its peers are silent or in maintenance")
		return
	}
	s.inBoth(r, t)
}

// inBoth adds a zone in the request's protocol, and in the other where interworking
// is allowed.
func (s *search) inBoth(r *rule, t Target) {
	native, other := s.req.Protocol, s.req.Protocol.other()
	added := false
	if native.speaks(t.Zone) {
		t.Protocol, added = native, true
		s.target(t)
	}
	if other.speaks(t.Zone) && s.mayInterwork() {
		t.Protocol, t.Interworked, added = other, true, true
		s.target(t)
	}
	if !added {
		s.miss(NoInterwork, r, "it speaks the other protocol, and interworking is not allowed")
	}
}

// mayInterwork says whether a call to somebody who is not registered may be translated.
func (s *search) mayInterwork() bool {
	switch s.plan.cfg.Interworking {
	case InterworkingOn:
		return true
	case RegisteredOnly:
		return s.req.zoneType() == zones.Local
	}
	return false
}

// miss notes that a matching rule led nowhere.
func (s *search) miss(why Reason, r *rule, text string) {
	s.because(why, "")
	if s.t != nil {
		s.missed(r, text)
	}
}

// target adds a target, once; what is found counts for its priority also when it is
// there already.
func (s *search) target(t Target) {
	s.count(&t)
	if len(s.out.Targets) == MaxTargets {
		if s.t != nil {
			s.t.Add(trace.Step{Kind: "target", Name: t.Zone.Name, Outcome: trace.Skipped, Why: fmt.Sprintf("there are %d targets already", MaxTargets)})
		}
		return
	}
	for i := range s.out.Targets {
		if s.out.Targets[i].same(&t) {
			if s.t != nil {
				s.t.Add(trace.Step{Kind: "target", Name: t.Zone.Name, Outcome: trace.Skipped, Why: "is a target already, by rule " + s.out.Targets[i].Rule})
			}
			return
		}
	}
	s.out.Targets = append(s.out.Targets, t)
	if s.t != nil {
		s.t.Add(trace.Step{Kind: "target", Name: t.Zone.Name, Outcome: trace.Took, Why: t.describe()})
	}
}

// count notes what is found for certain.
func (s *search) count(t *Target) {
	if t.found() {
		s.native, s.other = s.native || !t.Interworked, s.other || t.Interworked
	}
}

// same says whether two targets are one place, asked for the same.
func (t *Target) same(o *Target) bool {
	if t.Kind != o.Kind || t.Protocol != o.Protocol {
		return false
	}
	if t.Kind == ToBinding {
		return t.Binding == o.Binding
	}
	return t.Zone.Name == o.Zone.Name && t.Alias == o.Alias
}
