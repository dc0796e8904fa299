package dialplan

import (
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/trace"
	"turnpike.dev/turnpike/control/zones"
)

// search is one run through the plan.
type search struct {
	plan     *Plan
	req      *Request
	net      Network
	out      *Result
	t        *trace.Trace // nil: nobody asks why
	trail    [maxDepth + 1]string
	depth    int
	branches int
	// native and other say that something is found for certain at this priority, in the
	// request's protocol or by interworking.
	native, other bool
	reason        Reason // the first that is more than "not found"
	rule          string
}

// Locate fills out with the targets of a request. It is a pure function of the plan,
// the request and what net answers. With a nil trace and an out that is used again
// it allocates only where an alias is changed.
func (p *Plan) Locate(req *Request, net Network, out *Result, t *trace.Trace) {
	out.reset()
	s := search{plan: p, req: req, net: net, out: out, t: t, reason: NotFound}
	s.begin()
	if len(out.Targets) == 0 {
		out.Reason, out.Rule = s.reason, s.rule
	}
	if t != nil {
		s.explainEnd()
	}
}

// begin is step 1: the alias as received.
func (s *search) begin() {
	a := s.req.Alias
	if s.t != nil {
		s.t.Add(trace.Step{Kind: "alias", Outcome: trace.Noted, Why: s.describeRequest()})
	}
	if !s.plan.cfg.NoLoopCheck && slices.Contains(s.req.Seen, a.Name) {
		s.fail(SearchLoop, "alias", "this call was here before with the same alias")
		return
	}
	if s.plan.fallback.Name != "" && s.plan.isSelf(a) {
		if s.t != nil {
			s.t.Add(trace.Step{Kind: "alias", Outcome: trace.Took, Why: "only this node was called: fallback alias", Before: a.Name, After: s.plan.fallback.Name})
		}
		a = s.plan.fallback
	}
	s.branch(a)
}

// isSelf says whether an alias names this node and nobody on it.
func (p *Plan) isSelf(a alias.Alias) bool {
	switch a.Kind {
	case alias.IP:
		return slices.Contains(p.cfg.Own, a.Addr())
	case alias.ID:
		return slices.Contains(p.cfg.Domains, a.Name)
	}
	return false
}

// branch is steps 2 to 7 for one alias.
func (s *search) branch(a alias.Alias) {
	if !s.enter(a) {
		return
	}
	defer s.leave()
	if s.req.Peer {
		if s.t != nil {
			s.t.Add(trace.Step{Kind: "transform", Outcome: trace.Noted, Why: "not applied: a peer of the cluster did so, and asked its call policy and search rules"})
		}
		s.own(a)
		return
	}
	a, ok := s.transform(a)
	if ok && s.policy(a) {
		s.rules(a)
		s.direct(a)
	}
}

// enter notes an alias on the trail; one that is there already is a circle.
func (s *search) enter(a alias.Alias) bool {
	switch {
	case slices.Contains(s.trail[:s.depth], a.Name) || slices.Contains(s.req.Trail, a.Name):
		s.fail(PolicyLoop, "alias", "this alias led here before: policy loop detected")
		return false
	case s.depth == len(s.trail) || s.branches == maxBranches:
		s.fail(PolicyLoop, "alias", "new aliases led to new aliases too often: policy loop detected")
		return false
	}
	s.trail[s.depth] = a.Name
	s.depth++
	s.branches++
	return true
}

func (s *search) leave() { s.depth-- }

// fail ends a branch. The first reason that says more than "not found" is the search's,
// if no other branch finds something.
func (s *search) fail(r Reason, kind, why string) {
	s.because(r, "")
	if s.t != nil {
		s.refuse(kind, "", why)
	}
}

func (s *search) because(r Reason, rule string) {
	if s.reason == NotFound {
		s.reason, s.rule = r, rule
	}
}

// transform is step 2: the first transform that matches changes the alias, no other.
func (s *search) transform(a alias.Alias) (alias.Alias, bool) {
	it := s.iterate(&s.plan.byTransform, len(s.plan.transforms), a.Name)
	for i := it.next(0); i >= 0; i = it.next(i + 1) {
		t := &s.plan.transforms[i]
		if t.Disabled || !t.rewrite.Pattern.Match(a.Name) {
			if s.t != nil {
				s.skip("transform", t.Name, t.Disabled, t.Priority, t.rewrite.Pattern.String()+" does not match "+a.Name)
			}
			continue
		}
		return s.change(a, &t.rewrite, "transform", t.Name)
	}
	return a, true
}

// change applies a rewrite that matches. The port of an address or domain stays with
// it.
func (s *search) change(a alias.Alias, r *pattern.Rewrite, kind, name string) (alias.Alias, bool) {
	if r.Behavior == pattern.Leave {
		return a, true
	}
	text, _ := r.Apply(a.Name)
	if text == a.Name {
		return a, true
	}
	changed, err := alias.Parse(text)
	if err != nil {
		s.because(InvalidAlias, name)
		if s.t != nil {
			s.refuse(kind, name, fmt.Sprintf("%s makes %q of %s: %v", r, text, a.Name, err))
		}
		return a, false
	}
	if changed.Port == 0 && changed.Kind == a.Kind && changed.Domain() == a.Domain() && changed.Addr() == a.Addr() {
		changed.Port = a.Port
	}
	if s.t != nil && kind == "transform" {
		s.t.Add(trace.Step{Kind: kind, Name: name, Outcome: trace.Took, Why: fmt.Sprintf("%s matches, %s", &r.Pattern, r), Before: a.Name, After: changed.Name})
	}
	return changed, true
}

// policy is step 3. It says whether the search goes on with this alias.
func (s *search) policy(a alias.Alias) bool {
	if s.plan.cfg.Policy.Off {
		return true
	}
	it := s.iterate(&s.plan.byPolicy, len(s.plan.policy), a.Name)
	for i := it.next(0); i >= 0; i = it.next(i + 1) {
		r := &s.plan.policy[i]
		if why := r.why(s.req, a.Name); why != matches {
			if s.t != nil {
				s.skip("policy", r.Name, why == disabled, r.Priority, r.explain(why, s.req, a.Name))
			}
			continue
		}
		return s.act(r, a)
	}
	if s.req.known() || s.plan.cfg.Policy.AllowUnknown {
		if s.t != nil {
			s.t.Add(trace.Step{Kind: "policy", Outcome: trace.Took, Why: "no rule matches: allowed, " + s.standing()})
		}
		return true
	}
	s.because(Denied, "")
	if s.t != nil {
		s.refuse("policy", "", "no rule matches: denied, "+s.standing())
	}
	return false
}

func (s *search) act(r *policyRule, a alias.Alias) bool {
	switch r.Action {
	case Deny:
		s.because(Denied, r.Name)
		if s.t != nil {
			s.refuse("policy", r.Name, "matches: denied")
		}
		return false
	case Redirect:
		s.redirect(r, a)
		return false
	}
	if s.t != nil {
		s.t.Add(trace.Step{Kind: "policy", Name: r.Name, Outcome: trace.Took, Why: "matches: allowed"})
	}
	return true
}

// redirect begins again at step 2 with each of a rule's destinations.
func (s *search) redirect(r *policyRule, a alias.Alias) {
	for i := range r.rewrites {
		next, ok := s.change(a, &r.rewrites[i], "policy", r.Name)
		if !ok {
			continue
		}
		if s.t != nil {
			s.t.Add(trace.Step{Kind: "policy", Name: r.Name, Outcome: trace.Took, Why: "matches: begins again", Before: a.Name, After: next.Name})
		}
		s.t.In()
		s.branch(next)
		s.t.Out()
	}
}

// iterator goes through the rules that may match, or with a trace through all of them.
type iterator struct {
	hits pattern.Hits
	n    int
	all  bool
}

func (s *search) iterate(x *index, n int, name string) iterator {
	it := iterator{n: n, all: s.t != nil}
	if !it.all {
		x.set.Candidates(&it.hits, name)
		it.hits.Add(n, x.always)
	}
	return it
}

func (it *iterator) next(i int) int {
	if !it.all {
		return it.hits.Next(i)
	}
	if i >= it.n {
		return -1
	}
	return i
}

// direct places a call to an address that no registration has, where that is wanted.
func (s *search) direct(a alias.Alias) {
	addr := a.Addr()
	if !addr.IsValid() || s.plan.cfg.UnknownIP != Direct || anyFound(s.out.Targets) {
		return
	}
	switch {
	case slices.Contains(s.plan.cfg.Own, addr):
		return
	case s.req.HopCount < 1:
		s.fail(HopsUsedUp, "target", "the hop count is used up: the call is not placed")
		return
	}
	port := uint16(5060)
	if s.req.Protocol == H323 {
		port = 1720
	}
	outside := s.plan.cfg.Zones.Default()
	s.target(Target{
		Kind: ToAddress, Alias: a, Group: s.nextGroup(), Protocol: s.req.Protocol, Zone: outside,
		Address: a.AddrPort(port), HopCount: min(s.req.HopCount, outside.HopCount),
	})
}

func anyFound(targets []Target) bool {
	for i := range targets {
		if targets[i].found() {
			return true
		}
	}
	return false
}

// nextGroup returns the number of the group after the last.
func (s *search) nextGroup() int {
	if n := len(s.out.Targets); n > 0 {
		return s.out.Targets[n-1].Group + 1
	}
	return 0
}

// standing says who the caller is in the eyes of policy.
func (s *search) standing() string {
	switch {
	case s.req.zoneType() == zones.Default:
		return "the caller comes from the Default Zone"
	case s.req.zoneType() != zones.Local:
		return "the caller comes from a zone of the list"
	case s.req.Authenticated:
		return "the caller is registered and authenticated"
	}
	return "the caller is registered but not authenticated"
}
