package zones

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/pattern"
)

// AccessRule lets callers from the Default Zone in, or keeps them out, by a name in
// their certificate: its CN or one of its SANs.
type AccessRule struct {
	Name     string
	Priority int
	Type     pattern.Type
	Pattern  string
	Allow    bool
}

// access is the compiled rules in order of priority, those of one in the order written.
type access struct {
	rules []AccessRule
	set   *pattern.Set
}

func compileAccess(rules []AccessRule) (access, error) {
	if len(rules) > pattern.MaxSet {
		return access{}, fmt.Errorf("%d access rules are too many: the Default Zone has up to %d", len(rules), pattern.MaxSet)
	}
	a := access{rules: slices.Clone(rules)}
	slices.SortStableFunc(a.rules, func(x, y AccessRule) int { return cmp.Compare(x.Priority, y.Priority) })
	var errs []error
	patterns := make([]pattern.Pattern, len(a.rules))
	for i, r := range a.rules {
		var err error
		if patterns[i], err = pattern.Compile(r.Type, r.Pattern); err != nil {
			errs = append(errs, fmt.Errorf("access rule %q: %w", r.Name, err))
		}
	}
	a.set = pattern.NewSet(patterns)
	return a, errors.Join(errs...)
}

// Admits says whether a caller from the Default Zone that presented a certificate with
// these names may come in, and which rule said so. Where there are rules, what none of
// them allows is refused; where there are none, nobody is asked for a certificate.
func (d *Directory) Admits(names []string) (allowed bool, rule string) {
	if len(d.access.rules) == 0 {
		return true, ""
	}
	first := -1
	for _, n := range names {
		if i := d.access.set.First(strings.ToLower(n)); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first < 0 {
		return false, ""
	}
	return d.access.rules[first].Allow, d.access.rules[first].Name
}
