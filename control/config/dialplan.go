package config

// Transform changes an alias before anything is searched (facts A2.1).
type Transform struct {
	Index       int      `yaml:"-"`
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Priority    int      `yaml:"priority"` // of one transform alone
	Pattern     Pattern  `yaml:"pattern"`
	Behavior    Behavior `yaml:"behavior"`
	Replace     string   `yaml:"replace"`
	State       State    `yaml:"state"`
}

// Behavior is what becomes of the part of an alias that matched.
type Behavior string

// Behaviors. Transforms know no leave, search rules neither add_prefix nor add_suffix.
const (
	BehaviorLeave     Behavior = "leave"
	BehaviorStrip     Behavior = "strip"
	BehaviorReplace   Behavior = "replace"
	BehaviorAddPrefix Behavior = "add_prefix"
	BehaviorAddSuffix Behavior = "add_suffix"
)

// SearchRule says which zone is asked for which aliases (facts A2.1).
type SearchRule struct {
	Index         int          `yaml:"-"`
	Name          string       `yaml:"name"`
	Description   string       `yaml:"description"`
	Priority      int          `yaml:"priority"`
	Protocol      RuleProtocol `yaml:"protocol"`
	Source        RuleSource   `yaml:"source"`
	SourceName    string       `yaml:"source_name"`
	Authenticated Switch       `yaml:"authenticated"` // only requests that are
	Pattern       Pattern      `yaml:"pattern"`
	Behavior      Behavior     `yaml:"behavior"`
	Replace       string       `yaml:"replace"`
	OnMatch       OnMatch      `yaml:"on_match"`
	Target        string       `yaml:"target"` // a zone, or local
	State         State        `yaml:"state"`
}

// RuleProtocol is the protocol of the requests that a rule is for.
type RuleProtocol string

// Rule protocols.
const (
	ProtocolAny  RuleProtocol = "any"
	ProtocolSIP  RuleProtocol = "sip"
	ProtocolH323 RuleProtocol = "h323"
)

// RuleSource is where the requests come from that a rule is for.
type RuleSource string

// Rule sources.
const (
	SourceAny      RuleSource = "any"
	SourceAllZones RuleSource = "all_zones" // any zone and the Local Zone, but not the Default Zone
	SourceLocal    RuleSource = "local"
	SourceNamed    RuleSource = "named"
)

// OnMatch says whether rules of lower priority are looked at after a match.
type OnMatch string

// What a match does.
const (
	OnMatchContinue OnMatch = "continue"
	OnMatchStop     OnMatch = "stop" // after the other rules of the same priority
)

func dialPlanItems() []Item {
	items := live(
		Item{Path: "transforms", X: "Transform", Kind: entries("transform", 100), Text: "Changes of aliases before anything is searched; the first that matches is the only one."},
		Item{Path: "transforms[].name", X: "Transform [] Name", Kind: text(1, 50), Required: true, Text: "Name of the transform."},
		Item{Path: "transforms[].description", X: "Transform [] Description", Kind: text(0, 64), Text: "What it is for."},
		Item{Path: "transforms[].priority", X: "Transform [] Priority", Kind: integer(1, 65534), Default: "1", Text: "1 is looked at first. No two transforms have the same."},
	)
	items = append(items, patternItems("transforms[].pattern", "Transform [] Pattern", "prefix")...)
	items = append(items, live(
		Item{Path: "transforms[].behavior", X: "Transform [] Pattern Behavior", Kind: words("strip", "replace", "add_prefix", "add_suffix"), Default: "strip", Text: "What becomes of the part that matched; of a regular expression, `replace` may use \\1 to \\9."},
		Item{Path: "transforms[].replace", X: "Transform [] Pattern Replace", Kind: text(0, maxPattern), Text: "What is put there or added."},
		state("transforms[].state", "Transform [] State"),
	)...)

	const rule = "Zones Policy SearchRules Rule"
	items = append(items, live(
		Item{Path: "search_rules", X: rule, Kind: entries("search rule", 2000), Text: "Which zones are asked for which aliases."},
		Item{Path: "search_rules[].name", X: rule + " [] Name", Kind: text(1, 50), Required: true, Text: "Name of the rule."},
		Item{Path: "search_rules[].description", X: rule + " [] Description", Kind: text(0, 64), Text: "What it is for."},
		Item{Path: "search_rules[].priority", X: rule + " [] Priority", Kind: integer(1, 65534), Default: "100", Text: "1 is looked at first. The targets of rules with the same priority are asked at once."},
		Item{Path: "search_rules[].protocol", X: rule + " [] Protocol", Kind: words("any", "sip=SIP", "h323=H323"), Default: "any", Text: "Which requests the rule is for."},
		Item{Path: "search_rules[].source", X: rule + " [] Source Mode", Kind: words("any", "all_zones", "local=LocalZone", "named"), Default: "any", Text: "Where they come from: anywhere, anywhere but the Default Zone, the Local Zone, or the zone or subzone of source_name."},
		Item{Path: "search_rules[].source_name", X: rule + " [] Source Name", Kind: nameOf("zones", "subzones").or(DefaultZoneName, DefaultSubzoneName), Text: "Zone or subzone of source named."},
		Item{Path: "search_rules[].authenticated", X: rule + " [] Authentication", Kind: onOff(), Default: "off", Text: "Only for requests that are authenticated."},
	)...)
	items = append(items, patternItems("search_rules[].pattern", rule+" [] Pattern", "any", "any=AnyAlias", "any_ip=AnyIPAddress")...)
	return append(items, live(
		Item{Path: "search_rules[].behavior", X: rule + " [] Pattern Behavior", Kind: words("leave", "strip", "replace"), Default: "leave", Text: "What becomes of the part that matched, on the way to this target."},
		Item{Path: "search_rules[].replace", X: rule + " [] Pattern Replace", Kind: text(0, maxPattern), Text: "What is put there."},
		Item{Path: "search_rules[].on_match", X: rule + " [] Progress", Kind: words("continue", "stop"), Default: "continue", Text: "Stop: after a match only the rest of the same priority is looked at."},
		Item{Path: "search_rules[].target", X: rule + " [] Target Name", Kind: nameOf("zones").or(LocalZoneName), Required: true, Text: "Zone that is asked."},
		state("search_rules[].state", rule+" [] State"),
	)...)
}
