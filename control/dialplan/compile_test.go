package dialplan

import (
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// TestCompileNamesTheRule: whatever is wrong says where.
func TestCompileNamesTheRule(t *testing.T) {
	allow := PolicyRule{Name: "p", Priority: 1, From: Match{Any: true}, To: Match{Any: true}}
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{"no such target", Config{Rules: []Rule{anyRule("x", 1, "nowhere")}}, `search rule "x": there is no zone "nowhere"`},
		{"the Default Zone", Config{Rules: []Rule{anyRule("x", 1, "DefaultZone")}}, `search rule "x": the Default Zone cannot be searched`},
		{"priority", Config{Rules: []Rule{anyRule("x", 0, "local")}}, `search rule "x": priority 0: want 1 to 65534`},
		{"expression", Config{Rules: []Rule{patternRule("x", 1, pattern.Regex, "(", "local")}}, `search rule "x": regular expression "("`},
		{"strip without a pattern", Config{Rules: []Rule{{Name: "x", Priority: 1, Behavior: pattern.Strip, Target: "local"}}}, `search rule "x": strip needs a pattern`},
		{"add", Config{Rules: []Rule{{Name: "x", Priority: 1, Behavior: pattern.AddPrefix, Target: "local"}}}, `search rule "x": a search rule knows no addprefix`},
		{"source without a name", Config{Rules: []Rule{{Name: "x", Priority: 1, Source: Named, Target: "local"}}}, `search rule "x": source named needs`},
		{"unknown source", Config{Rules: []Rule{{Name: "x", Priority: 1, Source: Named, SourceName: "y", Target: "local"}}}, `search rule "x": there is no zone or subzone "y"`},
		{"source that is both", Config{Subzones: []string{"n"}, Rules: []Rule{{Name: "x", Priority: 1, Source: Named, SourceName: "n", Target: "local"}}}, `search rule "x": source "n" is a zone and a subzone`},
		{"transforms of one priority", Config{Transforms: []Transform{
			{Name: "a", Priority: 3, Pattern: "1", Type: pattern.Prefix, Behavior: pattern.Strip},
			{Name: "b", Priority: 3, Pattern: "2", Type: pattern.Prefix, Behavior: pattern.Strip},
		}}, `transform "b": has priority 3 like "a"`},
		{"transform that leaves", Config{Transforms: []Transform{{Name: "a", Priority: 3, Pattern: "1"}}}, `transform "a": leave changes nothing`},
		{"transform's group", Config{Transforms: []Transform{{Name: "a", Priority: 3, Pattern: "1", Type: pattern.Regex, Behavior: pattern.Replace, Replace: `\1`}}}, `transform "a": the replacement names group`},
		{"redirect to nobody", Config{Policy: Policy{Rules: []PolicyRule{func() PolicyRule { r := allow; r.Action = Redirect; return r }()}}}, `policy rule "p": redirect needs a destination`},
		{"policy's pattern", Config{Policy: Policy{Rules: []PolicyRule{func() PolicyRule { r := allow; r.To = Match{}; return r }()}}}, `policy rule "p": to: a pattern cannot be empty`},
		{"fallback", Config{FallbackAlias: strings.Repeat("a", 61)}, "fallback alias: longer than 60"},
		{"too many", Config{Transforms: make([]Transform, 101)}, "101 transforms are too many"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.c.Zones = mustZones(t, neighbour("n", "10.0.0.1"))
			_, err := Compile(test.c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
	if _, err := Compile(Config{}); err == nil {
		t.Error("a plan without zones")
	}
}

func TestZonesNameThemselves(t *testing.T) {
	tests := []struct {
		name string
		c    zones.Config
		want string
	}{
		{"own cluster", zones.Config{Cluster: []string{"10.0.0.9"}, Zones: []zones.Zone{neighbour("n", "10.0.0.9")}}, `zone "n": peer 10.0.0.9 is in this node's own cluster`}, // RG-07
		{"seven peers", zones.Config{Zones: []zones.Zone{neighbour("n", "1", "2", "3", "4", "5", "6", "7")}}, `zone "n": 7 peers are too many`},
		{"no peers", zones.Config{Zones: []zones.Zone{neighbour("n")}}, `zone "n": it lists no peer`},
		{"twice", zones.Config{Zones: []zones.Zone{neighbour("n", "10.0.0.1"), neighbour("n", "10.0.0.2")}}, `zone "n": there is another one of this name`},
		{"built in", zones.Config{Zones: []zones.Zone{neighbour("local", "10.0.0.1")}}, `zone "local": there is another one of this name`},
		{"says nothing", zones.Config{Zones: []zones.Zone{{Name: "n", Type: zones.DNS}}}, `zone "n": it speaks neither`},
		{"access rule", zones.Config{Access: []zones.AccessRule{{Name: "x"}}}, `access rule "x": a pattern cannot be empty`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := zones.Compile(test.c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
}
