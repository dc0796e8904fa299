// Package trace records why a decision came out as it did, step by step.
//
// It exists so that "why did this call not get through?" has an answer that is made by
// the code that decided, not by a second description of it. A decision that nobody
// asks about carries a nil Trace and records nothing: whoever adds a step asks first
// whether there is one, so that not even the step's text is made.
package trace

import (
	"fmt"
	"io"
	"strings"
)

// maxSteps bounds a trace: 2000 rules, tried anew for a few aliases.
const maxSteps = 20_000

// Outcome is how a step ended.
type Outcome string

// Outcomes.
const (
	Took    Outcome = "took"    // it applied, or gave something
	Skipped Outcome = "skipped" // it did not apply
	Missed  Outcome = "missed"  // it applied, and led nowhere
	Refused Outcome = "refused" // it ended the search or this branch
	Noted   Outcome = "noted"   // nothing was decided
)

// Step is one thing that was looked at.
type Step struct {
	Kind    string  `json:"kind"` // alias, transform, policy, rule, target, ...
	Name    string  `json:"name,omitempty"`
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why"`
	// Before and After are the alias, where the step changed it.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Depth  int    `json:"depth,omitempty"` // how many restarts deep
}

// Trace collects steps. The nil Trace collects none.
type Trace struct {
	steps []Step
	depth int
	lost  int
}

// Add records a step. Callers make the step only when t is not nil.
func (t *Trace) Add(s Step) {
	if t == nil {
		return
	}
	if len(t.steps) == maxSteps {
		t.lost++
		return
	}
	s.Depth = t.depth
	t.steps = append(t.steps, s)
}

// In says that what follows belongs to a restart, until Out.
func (t *Trace) In() {
	if t != nil {
		t.depth++
	}
}

// Out ends what In began.
func (t *Trace) Out() {
	if t != nil {
		t.depth--
	}
}

// Steps returns what was recorded.
func (t *Trace) Steps() []Step {
	if t == nil {
		return nil
	}
	return t.steps
}

// Lost returns how many steps were too many to be recorded.
func (t *Trace) Lost() int {
	if t == nil {
		return 0
	}
	return t.lost
}

// Write writes steps as text, one a line. Steps that were skipped are left out
// unless all is set; how many they were is said instead.
func Write(w io.Writer, steps []Step, all bool) error {
	skipped := 0
	for i, s := range steps {
		if s.Outcome == Skipped && !all {
			skipped++
			next := i + 1
			if next < len(steps) && steps[next].Outcome == Skipped && steps[next].Kind == s.Kind && steps[next].Depth == s.Depth {
				continue
			}
			if err := line(w, s.Depth, "  %-9s  %s did not apply", s.Kind, count(skipped, s.Kind)); err != nil {
				return err
			}
			skipped = 0
			continue
		}
		if err := line(w, s.Depth, "%s %-9s  %s", mark(s.Outcome), s.Kind, s.text()); err != nil {
			return err
		}
	}
	return nil
}

func line(w io.Writer, depth int, format string, args ...any) error {
	text := strings.Repeat("    ", depth) + fmt.Sprintf(format, args...)
	_, err := fmt.Fprintln(w, strings.TrimRight(text, " "))
	return err
}

// plurals are the kinds that come in numbers.
var plurals = map[string]string{"policy": "policy rules", "rule": "rules", "transform": "transforms", "member": "membership rules", "target": "targets"}

func count(n int, kind string) string {
	if n == 1 {
		return "1 " + strings.TrimSuffix(plural(kind), "s")
	}
	return fmt.Sprintf("%d %s", n, plural(kind))
}

func plural(kind string) string {
	if p, ok := plurals[kind]; ok {
		return p
	}
	return kind + "s"
}

func mark(o Outcome) string {
	switch o {
	case Took:
		return "+"
	case Refused:
		return "!"
	case Skipped, Missed:
		return "-"
	}
	return " "
}

// text returns the step without its kind.
func (s Step) text() string {
	var b strings.Builder
	if s.Name != "" {
		fmt.Fprintf(&b, "%q: ", s.Name)
	}
	b.WriteString(s.Why)
	if s.After != "" && s.After != s.Before {
		fmt.Fprintf(&b, ": %s -> %s", s.Before, s.After)
	}
	return b.String()
}
