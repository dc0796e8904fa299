package dialplan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// Plan is a compiled dial plan. It never changes; any number of searches may use it at
// the same time.
type Plan struct {
	cfg        Config
	transforms []transform
	policy     []policyRule
	rules      []rule
	fallback   alias.Alias

	byTransform, byPolicy, byRule index

	book *pattern.Book
}

// index finds the rules that may match a name: those of the set, and those that have no
// pattern. They are numbered in the order in which they are looked at.
type index struct {
	set    *pattern.Set
	always []int32
}

type transform struct {
	Transform
	rewrite pattern.Rewrite
}

type rule struct {
	Rule
	source  source
	rewrite pattern.Rewrite
	zone    *zones.Zone
}

type policyRule struct {
	PolicyRule
	source   source
	from, to matcher
	rewrites []pattern.Rewrite // of Redirect
}

// matcher is a compiled Match.
type matcher struct {
	any     bool
	pattern pattern.Pattern
}

func (m *matcher) match(name string) bool { return m.any || m.pattern.Match(name) }

// Compile makes a plan, or returns everything that is wrong, each with the name of the
// rule.
func Compile(c Config) (*Plan, error) { return compile(c, nil) }

// Change is Compile for a configuration that is much like the plan's: what did not
// change is not compiled anew. The plan itself stays as it is.
func (p *Plan) Change(c Config) (*Plan, error) { return compile(c, p.book) }

func compile(c Config, old *pattern.Book) (*Plan, error) {
	p := &Plan{cfg: c, book: pattern.NewBook(old)}
	if c.Zones == nil {
		return nil, errors.New("a dial plan needs zones")
	}
	subzones := append([]string{zones.DefaultSubzone}, c.Subzones...)
	err := errors.Join(
		p.compileTransforms(c.Transforms),
		p.compilePolicy(c.Policy.Rules, subzones),
		p.compileRules(c.Rules, subzones),
		p.compileFallback(c.FallbackAlias),
	)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Zones returns the zones that the plan leads to.
func (p *Plan) Zones() *zones.Directory { return p.cfg.Zones }

func (p *Plan) compileFallback(s string) error {
	if s == "" {
		return nil
	}
	if len(s) > MaxFallback {
		return fmt.Errorf("fallback alias: longer than %d characters", MaxFallback)
	}
	var err error
	if p.fallback, err = alias.Parse(s); err != nil {
		return fmt.Errorf("fallback alias: %w", err)
	}
	return nil
}

func checkPriority(n int) error {
	if n < 1 || n > MaxPriority {
		return fmt.Errorf("priority %d: want 1 to %d", n, MaxPriority)
	}
	return nil
}

func tooMany(what string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return fmt.Errorf("%d %s are too many: a node has up to %d", n, what, limit)
}

func (p *Plan) compileTransforms(list []Transform) error {
	errs := []error{tooMany("transforms", len(list), MaxTransforms)}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b Transform) int { return cmp.Compare(a.Priority, b.Priority) })
	patterns := make([]pattern.Pattern, len(sorted))
	for i, t := range sorted {
		compiled := transform{Transform: t}
		var err error
		if i > 0 && sorted[i-1].Priority == t.Priority {
			err = fmt.Errorf("has priority %d like %q: each has one of its own", t.Priority, sorted[i-1].Name)
		}
		if err == nil {
			err = checkPriority(t.Priority)
		}
		if err == nil {
			patterns[i], err = p.book.Compile(t.Type, t.Pattern)
		}
		if err == nil && t.Behavior == pattern.Leave {
			err = errors.New("leave changes nothing: want strip, replace, addprefix or addsuffix")
		}
		if err == nil {
			compiled.rewrite, err = pattern.CompileRewrite(patterns[i], t.Behavior, t.Replace)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("transform %q: %w", t.Name, err))
		}
		p.transforms = append(p.transforms, compiled)
	}
	p.byTransform.set = pattern.NewSet(patterns)
	return errors.Join(errs...)
}

func (p *Plan) compileRules(list []Rule, subzones []string) error {
	errs := []error{tooMany("search rules", len(list), MaxRules)}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	patterns := make([]pattern.Pattern, len(sorted))
	for i, r := range sorted {
		compiled, err := p.compileRule(r, subzones)
		if err != nil {
			errs = append(errs, fmt.Errorf("search rule %q: %w", r.Name, err))
		}
		patterns[i] = compiled.rewrite.Pattern
		if r.Mode != AliasPattern {
			p.byRule.always = append(p.byRule.always, int32(i))
		}
		p.rules = append(p.rules, compiled)
	}
	p.byRule.set = pattern.NewSet(patterns)
	return errors.Join(errs...)
}

func (p *Plan) compileRule(r Rule, subzones []string) (rule, error) {
	out := rule{Rule: r, zone: p.cfg.Zones.ByName(r.Target)}
	if err := checkPriority(r.Priority); err != nil {
		return out, err
	}
	switch {
	case out.zone == nil:
		return out, fmt.Errorf("there is no zone %q to search: add it, or name another target", r.Target)
	case out.zone.Type == zones.Default:
		return out, errors.New("the Default Zone cannot be searched: name another target")
	case r.Behavior == pattern.AddPrefix || r.Behavior == pattern.AddSuffix:
		return out, fmt.Errorf("a search rule knows no %s: use replace", r.Behavior)
	case r.Mode != AliasPattern && r.Behavior != pattern.Leave:
		return out, fmt.Errorf("%s needs a pattern: there is nothing that matched", r.Behavior)
	}
	var err error
	if out.source, err = p.compileSource(r.Source, r.SourceName, subzones); err != nil {
		return out, err
	}
	if r.Mode != AliasPattern {
		return out, nil
	}
	compiled, err := p.book.Compile(r.Type, r.Pattern)
	if err != nil {
		return out, err
	}
	out.rewrite, err = pattern.CompileRewrite(compiled, r.Behavior, r.Replace)
	return out, err
}

func (p *Plan) compilePolicy(list []PolicyRule, subzones []string) error {
	errs := []error{tooMany("policy rules", len(list), MaxPolicy)}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b PolicyRule) int { return cmp.Compare(a.Priority, b.Priority) })
	patterns := make([]pattern.Pattern, len(sorted))
	for i, r := range sorted {
		compiled, err := p.compilePolicyRule(r, subzones)
		if err != nil {
			errs = append(errs, fmt.Errorf("policy rule %q: %w", r.Name, err))
		}
		patterns[i] = compiled.to.pattern
		if r.To.Any {
			p.byPolicy.always = append(p.byPolicy.always, int32(i))
		}
		p.policy = append(p.policy, compiled)
	}
	p.byPolicy.set = pattern.NewSet(patterns)
	return errors.Join(errs...)
}

func (p *Plan) compilePolicyRule(r PolicyRule, subzones []string) (policyRule, error) {
	out := policyRule{PolicyRule: r}
	err := checkPriority(r.Priority)
	if err == nil {
		out.source, err = p.compileSource(r.Source, r.SourceName, subzones)
	}
	if err == nil {
		out.from, err = p.compileMatch("from", r.From)
	}
	if err == nil {
		out.to, err = p.compileMatch("to", r.To)
	}
	if err != nil || r.Action != Redirect {
		return out, err
	}
	if len(r.Destinations) == 0 {
		return out, errors.New("redirect needs a destination")
	}
	whole := out.to.pattern
	if r.To.Any || r.To.Type != pattern.Regex {
		// Destinations replace all of the alias, so the pattern is widened to it.
		if whole, err = p.book.Compile(pattern.Regex, "(.*)"); err != nil {
			return out, err
		}
	}
	for _, d := range r.Destinations {
		rewrite, err := pattern.CompileRewrite(whole, pattern.Replace, d)
		if err != nil {
			return out, fmt.Errorf("destination %q: %w", d, err)
		}
		out.rewrites = append(out.rewrites, rewrite)
	}
	return out, nil
}

func (p *Plan) compileMatch(which string, m Match) (matcher, error) {
	if m.Any {
		return matcher{any: true}, nil
	}
	compiled, err := p.book.Compile(m.Type, m.Pattern)
	if err != nil {
		return matcher{}, fmt.Errorf("%s: %w", which, err)
	}
	return matcher{pattern: compiled}, nil
}
