package dialplan

import (
	"cmp"
	"slices"
	"testing"

	"turnpike.dev/turnpike/control/alias"
	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// registered is a Local Zone: names with their bindings, own and peers' as they come.
type registered map[string][]Binding

func (r registered) Lookup(dst []Binding, name string) []Binding { return append(dst, r[name]...) }

// condition is how the peers of zones are, by zone and place.
type condition map[string][]zones.PeerState

func (c condition) Peer(z *zones.Zone, i int) zones.PeerState {
	if states := c[z.Name]; i < len(states) {
		return states[i]
	}
	return zones.PeerState{}
}

func mustAlias(t testing.TB, s string) alias.Alias {
	t.Helper()
	a, err := alias.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustZones(t testing.TB, list ...zones.Zone) *zones.Directory {
	t.Helper()
	d, err := zones.Compile(zones.Config{Zones: list})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustPlan(t testing.TB, c Config) *Plan {
	t.Helper()
	p, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// neighbour is a zone of both protocols with peers of one address each.
func neighbour(name string, peers ...string) zones.Zone {
	z := zones.Zone{Name: name, Type: zones.Neighbour, SIP: true, H323: true, Monitor: true}
	for _, p := range peers {
		z.Peers = append(z.Peers, zones.Peer{Host: p})
	}
	return z
}

// rules in the words of configuration files.
func anyRule(name string, priority int, target string) Rule {
	return Rule{Name: name, Priority: priority, Mode: Anything, Target: target}
}

func patternRule(name string, priority int, typ pattern.Type, text, target string) Rule {
	return Rule{Name: name, Priority: priority, Mode: AliasPattern, Type: typ, Pattern: text, Target: target}
}

// sorted returns a list by priority, as written where that is equal.
func sorted[T any](list []T, priority func(T) int) []T {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b T) int { return cmp.Compare(priority(a), priority(b)) })
	return out
}
