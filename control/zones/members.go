package zones

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
)

// Limits of the Local Zone (facts A1.1, A8).
const (
	MaxSubzones    = 1000
	MaxMembers     = 3000
	MaxRestriction = 2500
	MaxPriority    = 65534
	// MaxMemberPattern is how long the pattern of a membership rule is.
	MaxMemberPattern = 60
)

// Names of the subzones that are always there. Nobody registers into the latter two.
const (
	DefaultSubzone   = "DefaultSubZone"
	TraversalSubzone = "TraversalSubZone"
	ClusterSubzone   = "ClusterSubZone"
)

// Subzone is a part of the Local Zone, as far as registering goes.
type Subzone struct {
	Name string
	Deny bool // refuses registrations
}

// MemberRule puts endpoints into a subzone: by the network that they are in, or by one
// of their aliases.
type MemberRule struct {
	Name     string
	Priority int          // 1 is looked at first
	Subnet   netip.Prefix // valid: the rule goes by network
	Type     pattern.Type // otherwise by alias
	Pattern  string
	Subzone  string
}

// Restriction says which list decides who may register (facts A8).
type Restriction uint8

// Restrictions.
const (
	Unrestricted Restriction = iota
	AllowList                // only whom the list names
	DenyList                 // all but whom the list names
)

// Entry is a line of a restriction list.
type Entry struct {
	Name    string
	Type    pattern.Type
	Pattern string
}

// MembersConfig is what Members are compiled from.
type MembersConfig struct {
	Subzones    []Subzone
	DefaultDeny bool // the Default Subzone refuses registrations
	Rules       []MemberRule
	Restriction Restriction
	Entries     []Entry // of the list that Restriction names
}

// Members decides who may register and into which subzone. It never changes.
type Members struct {
	restriction Restriction
	entries     []Entry
	listed      *pattern.Set

	rules   []member
	aliases *pattern.Set // numbered by place in byAlias
	byAlias []int32      // → rules
	subnets []byBits

	subzones map[string]bool // → denies
}

// member is a rule in the order in which rules are looked at.
type member struct {
	MemberRule
	pattern pattern.Pattern
}

// byBits holds the networks of one prefix length and the first rule for each.
type byBits struct {
	bits int
	v6   bool
	nets map[netip.Prefix]int32
}

// CompileMembers makes Members, or returns everything that is wrong, each with the
// name of the rule.
func CompileMembers(c MembersConfig) (*Members, error) {
	m := &Members{restriction: c.Restriction, entries: c.Entries, subzones: map[string]bool{DefaultSubzone: c.DefaultDeny}}
	errs := errors.Join(
		tooMany("subzones", len(c.Subzones), MaxSubzones),
		tooMany("membership rules", len(c.Rules), MaxMembers),
		tooMany("entries of the restriction list", len(c.Entries), MaxRestriction),
		m.addSubzones(c.Subzones),
		m.addEntries(c.Entries),
		m.addRules(c.Rules),
	)
	if errs != nil {
		return nil, errs
	}
	return m, nil
}

func tooMany(what string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return fmt.Errorf("%d %s are too many: a node has up to %d", n, what, limit)
}

func (m *Members) addSubzones(subzones []Subzone) error {
	var errs []error
	for _, s := range subzones {
		_, taken := m.subzones[s.Name]
		switch {
		case s.Name == "" || len(s.Name) > MaxName:
			errs = append(errs, fmt.Errorf("subzone %q: a name has 1 to %d characters", s.Name, MaxName))
		case taken || s.Name == TraversalSubzone || s.Name == ClusterSubzone:
			errs = append(errs, fmt.Errorf("subzone %q: there is another one of this name: rename it", s.Name))
		}
		m.subzones[s.Name] = s.Deny
	}
	return errors.Join(errs...)
}

func (m *Members) addEntries(entries []Entry) error {
	var errs []error
	patterns := make([]pattern.Pattern, len(entries))
	for i, e := range entries {
		var err error
		if patterns[i], err = pattern.Compile(e.Type, e.Pattern); err != nil {
			errs = append(errs, fmt.Errorf("restriction list, %q: %w", e.Name, err))
		}
	}
	m.listed = pattern.NewSet(patterns)
	return errors.Join(errs...)
}

// addRules puts the rules in order: by priority; of one priority networks first, longer
// prefixes before shorter, then aliases; and what is still equal as it was written.
func (m *Members) addRules(rules []MemberRule) error {
	var errs []error
	for _, r := range rules {
		compiled, err := m.rule(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("membership rule %q: %w", r.Name, err))
		}
		m.rules = append(m.rules, compiled)
	}
	slices.SortStableFunc(m.rules, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.width(), a.width()))
	})
	m.index()
	return errors.Join(errs...)
}

// width orders the rules of one priority: the prefix length, or less than any.
func (r member) width() int {
	if r.Subnet.IsValid() {
		return r.Subnet.Bits()
	}
	return -1
}

func (m *Members) rule(r MemberRule) (member, error) {
	out := member{MemberRule: r}
	if _, ok := m.subzones[r.Subzone]; !ok {
		if r.Subzone == TraversalSubzone || r.Subzone == ClusterSubzone {
			return out, fmt.Errorf("nobody registers into %s: name another subzone", r.Subzone)
		}
		return out, fmt.Errorf("there is no subzone %q: add it, or name another", r.Subzone)
	}
	switch {
	case r.Priority < 1 || r.Priority > MaxPriority:
		return out, fmt.Errorf("priority %d: want 1 to %d", r.Priority, MaxPriority)
	case r.Subnet.IsValid():
		if a := r.Subnet.Addr(); a.Is4In6() && r.Subnet.Bits() >= 96 {
			r.Subnet = netip.PrefixFrom(a.Unmap(), r.Subnet.Bits()-96)
		}
		out.Subnet = r.Subnet.Masked()
		return out, nil
	case len(r.Pattern) > MaxMemberPattern:
		return out, fmt.Errorf("the pattern is longer than %d characters", MaxMemberPattern)
	}
	var err error
	out.pattern, err = pattern.Compile(r.Type, r.Pattern)
	return out, err
}

func (m *Members) index() {
	var patterns []pattern.Pattern
	for i, r := range m.rules {
		if r.Subnet.IsValid() {
			m.addSubnet(r.Subnet, int32(i))
			continue
		}
		patterns = append(patterns, r.pattern)
		m.byAlias = append(m.byAlias, int32(i))
	}
	m.aliases = pattern.NewSet(patterns)
}

func (m *Members) addSubnet(p netip.Prefix, rule int32) {
	at := slices.IndexFunc(m.subnets, func(b byBits) bool { return b.bits == p.Bits() && b.v6 == p.Addr().Is6() })
	if at < 0 {
		at = len(m.subnets)
		m.subnets = append(m.subnets, byBits{bits: p.Bits(), v6: p.Addr().Is6(), nets: map[netip.Prefix]int32{}})
	}
	if _, taken := m.subnets[at].nets[p]; !taken { // the earlier rule stays
		m.subnets[at].nets[p] = rule
	}
}

// Has says whether there is a subzone of a name.
func (m *Members) Has(subzone string) bool {
	_, ok := m.subzones[subzone]
	return ok
}

// Endpoint is who wants to register.
type Endpoint struct {
	Addr    netip.Addr
	Aliases []alias.Alias
}

// Subzone returns the subzone that an endpoint belongs to, and the rule that says so;
// the Default Subzone and no rule where none does. It does not allocate.
func (m *Members) Subzone(e Endpoint) (subzone, rule string) {
	i := m.first(e)
	if i < 0 {
		return DefaultSubzone, ""
	}
	return m.rules[i].Subzone, m.rules[i].Name
}

// first returns the place of the rule that decides, or -1.
func (m *Members) first(e Endpoint) int {
	first := len(m.rules)
	addr := e.Addr.Unmap().WithZone("")
	for i := range m.subnets {
		s := &m.subnets[i]
		if !addr.IsValid() || addr.Is6() != s.v6 {
			continue
		}
		p, err := addr.Prefix(s.bits)
		if err != nil {
			continue
		}
		if rule, ok := s.nets[p]; ok {
			first = min(first, int(rule))
		}
	}
	for i := range e.Aliases {
		if at := m.aliases.First(e.Aliases[i].Name); at >= 0 {
			first = min(first, int(m.byAlias[at]))
		}
	}
	if first == len(m.rules) {
		return -1
	}
	return first
}
