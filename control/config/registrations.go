package config

import "regexp"

// PatternType says how an alias is compared.
type PatternType string

// Pattern types. PatternAny matches whatever is asked for, PatternIP only literal
// IP addresses, and only in search rules.
const (
	PatternAny    PatternType = "any"
	PatternIP     PatternType = "any_ip"
	PatternExact  PatternType = "exact"
	PatternPrefix PatternType = "prefix"
	PatternSuffix PatternType = "suffix"
	PatternRegex  PatternType = "regex"
)

// Pattern is compared with an alias. Regular expressions match the whole alias;
// nothing in a pattern minds the case.
type Pattern struct {
	Type   PatternType `yaml:"type"`
	String string      `yaml:"string"`
}

// Compile returns a regular expression as it is meant: the whole alias, in any case.
func (p Pattern) Compile() (*regexp.Regexp, error) {
	return regexp.Compile(`(?i)^(?:` + p.String + `)$`)
}

// Registrations says who may register (facts A8).
type Registrations struct {
	Max         int               `yaml:"max"`
	Restriction Restriction       `yaml:"restriction"`
	Allow       []RestrictionRule `yaml:"allow"`
	Deny        []RestrictionRule `yaml:"deny"`
}

// Restriction says which list decides.
type Restriction string

// Restrictions.
const (
	RestrictNone  Restriction = "none"
	RestrictAllow Restriction = "allow" // only what the allow list has
	RestrictDeny  Restriction = "deny"  // all but what the deny list has
)

// RestrictionRule is an entry of an allow or deny list.
type RestrictionRule struct {
	Index   int     `yaml:"-"`
	Name    string  `yaml:"name"`
	Pattern Pattern `yaml:"pattern"`
}

const maxPattern = 60

// patternItems declares a pattern; more are the types besides the four.
func patternItems(path, x, fallback string, more ...string) []Item {
	return live(
		Item{Path: path + ".type", X: x + " Type", Kind: words(append(more, "exact", "prefix", "suffix", "regex")...), Default: fallback, Text: "How the alias is compared. Case does not matter; a regular expression matches the whole alias."},
		Item{Path: path + ".string", X: x + " String", Kind: text(0, maxPattern), Text: "What it is compared with."},
	)
}

func registrationItems() []Item {
	items := live(
		Item{Path: "registrations.max", X: "Registration Maximum", Kind: integer(0, 200000).shown("1–200000"), Unset: "the platform's", Text: "Limit of registrations of platform custom; the other platforms bring their own. More are refused with 503."},
		Item{Path: "registrations.restriction", X: "Registration RestrictionPolicy Mode", Kind: words("none", "allow=AllowList", "deny=DenyList"), Default: "none", Text: "Which list decides about registrations. Those that are there already stay."},
	)
	for _, list := range []struct{ key, x, text string }{
		{"allow", "Registration AllowList", "Aliases that may register."},
		{"deny", "Registration DenyList", "Aliases that may not register."},
	} {
		path := "registrations." + list.key
		items = append(items, live(
			Item{Path: path, X: list.x, Kind: entries("rule", 2500), Text: list.text},
			Item{Path: path + "[].name", X: list.x + " [] Description", Kind: text(1, 64), Required: true, Text: "Name of the rule."},
		)...)
		items = append(items, patternItems(path+"[].pattern", list.x+" [] Pattern", "exact")...)
	}
	return items
}
