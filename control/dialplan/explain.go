package dialplan

import (
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/trace"
)

// What follows makes the texts of traces, and runs only where there is one.

func (s *search) describeRequest() string {
	q := s.req
	from := s.plan.cfg.Zones.Default().Name
	if q.Zone != nil {
		from = q.Zone.Name
	}
	if q.Subzone != "" {
		from += " (" + q.Subzone + ")"
	}
	if q.Peer {
		from = "a peer of the cluster"
	}
	who := "not authenticated"
	if q.Authenticated {
		who = "authenticated"
	}
	text := fmt.Sprintf("%s (%s) over %s from %s, %s, hop count %d", q.Alias, q.Alias.Kind, q.Protocol, from, who, q.HopCount)
	if q.Caller.Name != "" {
		text += ", by " + q.Caller.Name
	}
	return text
}

// refuse records the end of a branch.
func (s *search) refuse(kind, name, why string) {
	s.t.Add(trace.Step{Kind: kind, Name: name, Outcome: trace.Refused, Why: why})
}

// missed records a rule that matches and leads nowhere.
func (s *search) missed(r *rule, why string) {
	s.t.Add(trace.Step{Kind: "target", Name: r.zone.Name, Outcome: trace.Missed, Why: why})
}

// skip records a rule that does not match.
func (s *search) skip(kind, name string, off bool, priority int, why string) {
	if off {
		why = "is disabled"
	}
	s.t.Add(trace.Step{Kind: kind, Name: name, Outcome: trace.Skipped, Why: fmt.Sprintf("priority %d: %s", priority, why)})
}

func (r *rule) explain(w why, q *Request, name string) string {
	switch w {
	case otherProtocol:
		return fmt.Sprintf("is for %s, this is %s", r.Protocol, q.Protocol)
	case otherSource:
		return "is for requests from " + r.source.describe()
	case notAuthenticated:
		return "is for authenticated requests"
	case otherMode:
		if r.Mode == AnyAlias {
			return name + " is an IP address"
		}
		return name + " is no IP address"
	}
	return fmt.Sprintf("%s does not match %s", &r.rewrite.Pattern, name)
}

func (r *policyRule) explain(w why, q *Request, name string) string {
	switch w {
	case otherSource:
		return "is for requests from " + r.source.describe()
	case otherCaller:
		if r.Caller == Authenticated {
			return "is for authenticated callers"
		}
		return "is for callers that are not authenticated"
	case otherFrom:
		return fmt.Sprintf("%s does not match the caller %s", &r.from.pattern, orNobody(q.Caller.Name))
	}
	return fmt.Sprintf("%s does not match %s", &r.to.pattern, name)
}

func orNobody(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}

func (s *search) explainRule(r *rule, a, to alias.Alias) {
	what := "matches anything"
	switch r.Mode {
	case AnyAlias:
		what = "matches any alias"
	case AnyIPAddress:
		what = "matches any IP address"
	case AliasPattern:
		what = r.rewrite.Pattern.String() + " matches, " + r.rewrite.String()
	}
	then := "continue"
	if r.Stop {
		then = "stop after this priority"
	}
	s.t.Add(trace.Step{
		Kind: "rule", Name: r.Name, Outcome: trace.Took, Before: a.Name, After: to.Name,
		Why: fmt.Sprintf("priority %d: %s, zone %s, then %s", r.Priority, what, r.zone.Name, then),
	})
}

func (s *search) explainEarly(found bool, priority int) {
	if s.t == nil {
		return
	}
	why := fmt.Sprintf("a rule of priority %d says stop", priority)
	if found {
		why = fmt.Sprintf("found at priority %d", priority)
	}
	s.t.Add(trace.Step{Kind: "search", Outcome: trace.Noted, Why: why + ": later rules are not looked at"})
}

func (s *search) explainNative(left int) {
	if s.t == nil {
		return
	}
	s.t.Add(trace.Step{Kind: "search", Outcome: trace.Noted, Why: fmt.Sprintf("found over %s: %d by interworking left out", s.req.Protocol, left)})
}

func (s *search) explainEnd() {
	step := trace.Step{Kind: "result", Outcome: trace.Took, Why: fmt.Sprintf("%d to try", len(s.out.Targets))}
	if len(s.out.Targets) == 0 {
		step = trace.Step{Kind: "result", Name: s.out.Rule, Outcome: trace.Refused, Why: s.out.Reason.String()}
	}
	s.t.Add(step)
}

// describe says where a target is and how it is asked.
func (t *Target) describe() string {
	how := t.Protocol.String()
	if t.Interworked {
		how += " by interworking"
	}
	switch t.Kind {
	case ToBinding:
		at := "registered here"
		if t.Binding.Peer != 0 {
			at = fmt.Sprintf("registered on peer %d", t.Binding.Peer)
		}
		return fmt.Sprintf("%s is %s at %s, %s", t.Alias.Name, at, t.Binding.Contact, how)
	case ToAddress:
		return fmt.Sprintf("%s is called directly, %s, hop count %d", t.Address, how, t.HopCount)
	case ToDNS:
		return fmt.Sprintf("ask DNS for %s, %s, hop count %d", t.Alias.Domain(), how, t.HopCount)
	}
	return fmt.Sprintf("ask %s for %s, %s, hop count %d", t.peers(), t.Alias.Name, how, t.HopCount)
}

func (t *Target) peers() string {
	var names []string
	for i := range t.Order.Len() {
		if at := t.Order.At(i); at < len(t.Zone.Peers) {
			names = append(names, t.Zone.Peers[at].String())
		} else {
			names = append(names, fmt.Sprintf("client %d", at+1))
		}
	}
	return strings.Join(names, ", ")
}

// PeerNames lists the peers of a zone to try, best first.
func (t *Target) PeerNames() []string {
	if t.Kind != ToZone {
		return nil
	}
	return strings.Split(t.peers(), ", ")
}
