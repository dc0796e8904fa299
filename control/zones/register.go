package zones

import (
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/trace"
)

// Verdict is why an endpoint may register or not.
type Verdict uint8

// Verdicts.
const (
	Welcome       Verdict = iota
	NotListed             // the allow list does not name it
	Listed                // the deny list names it
	SubzoneDenies         // its subzone takes no registrations
)

var verdicts = [...]string{
	"may register", "the allow list names none of its aliases",
	"the deny list names one of its aliases", "its subzone refuses registrations",
}

// String says the verdict as the log and traces do.
func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// Admission is what becomes of a registration.
type Admission struct {
	Verdict Verdict
	Subzone string // empty when a list refused it
	Rule    string // of the list or the membership that decided
}

// Allowed says whether the endpoint may register.
func (a Admission) Allowed() bool { return a.Verdict == Welcome }

// Register decides about a registration in the order of facts A1.1: the restriction
// policy, then membership, then whether the subzone takes registrations. Those that are
// there already are not asked again when the lists change. It does not allocate when t
// is nil.
func (m *Members) Register(e Endpoint, t *trace.Trace) Admission {
	a := m.restrict(e, t)
	if !a.Allowed() {
		return a
	}
	if t != nil {
		m.explain(e, t)
	}
	a.Subzone, a.Rule = m.Subzone(e)
	if m.subzones[a.Subzone] {
		a.Verdict = SubzoneDenies
	}
	if t != nil {
		outcome := trace.Took
		if !a.Allowed() {
			outcome = trace.Refused
		}
		t.Add(trace.Step{Kind: "subzone", Name: a.Subzone, Outcome: outcome, Why: a.Verdict.String()})
	}
	return a
}

// restrict asks the restriction policy. An endpoint with several aliases is on a list
// when one of them is.
func (m *Members) restrict(e Endpoint, t *trace.Trace) Admission {
	if m.restriction == Unrestricted {
		return Admission{}
	}
	var a Admission
	at := -1
	for i := range e.Aliases {
		if at = m.listed.First(e.Aliases[i].Name); at >= 0 {
			a.Rule = m.entries[at].Name
			break
		}
	}
	switch {
	case m.restriction == AllowList && at < 0:
		a.Verdict = NotListed
	case m.restriction == DenyList && at >= 0:
		a.Verdict = Listed
	}
	if t != nil {
		step := trace.Step{Kind: "list", Name: a.Rule, Outcome: trace.Took, Why: "the list lets it pass"}
		if !a.Allowed() {
			step.Outcome, step.Why = trace.Refused, a.Verdict.String()
		}
		t.Add(step)
	}
	return a
}

// explain tries the membership rules one by one, as far as the one that decides.
func (m *Members) explain(e Endpoint, t *trace.Trace) {
	for i := range m.rules {
		r := &m.rules[i]
		step := trace.Step{Kind: "member", Name: r.Name, Outcome: trace.Skipped, Why: r.describe() + " does not match"}
		if m.matches(r, e) {
			step.Outcome, step.Why = trace.Took, r.describe()+" matches: subzone "+r.Subzone
			t.Add(step)
			return
		}
		t.Add(step)
	}
	t.Add(trace.Step{Kind: "member", Outcome: trace.Noted, Why: "no membership rule matches: " + DefaultSubzone})
}

func (r *member) describe() string {
	if r.Subnet.IsValid() {
		return fmt.Sprintf("priority %d, subnet %s", r.Priority, r.Subnet)
	}
	return fmt.Sprintf("priority %d, %s", r.Priority, strings.TrimSpace(r.pattern.String()))
}

// matches says whether one rule matches, without the index.
func (m *Members) matches(r *member, e Endpoint) bool {
	if r.Subnet.IsValid() {
		return r.Subnet.Contains(e.Addr.Unmap().WithZone(""))
	}
	for i := range e.Aliases {
		if r.pattern.Match(e.Aliases[i].Name) {
			return true
		}
	}
	return false
}
