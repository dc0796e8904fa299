package config

// CallPolicy says which calls may be made; it is asked after transforms and before
// search rules (facts A2.1).
type CallPolicy struct {
	Mode    Switch       `yaml:"mode"`
	Unknown Action       `yaml:"unknown"`
	Rules   []PolicyRule `yaml:"rules"`
}

// PolicyRule allows or denies calls; the first that matches decides.
type PolicyRule struct {
	Index       int          `yaml:"-"`
	Name        string       `yaml:"name"`
	Description string       `yaml:"description"`
	Priority    int          `yaml:"priority"`
	Source      RuleSource   `yaml:"source"`
	SourceName  string       `yaml:"source_name"`
	Caller      PolicyCaller `yaml:"caller"`
	From        Pattern      `yaml:"from"` // the caller's alias
	To          Pattern      `yaml:"to"`   // the called alias
	Action      Action       `yaml:"action"`
	State       State        `yaml:"state"`
}

// PolicyCaller is which callers a rule is for.
type PolicyCaller string

// Callers.
const (
	CallerAny             PolicyCaller = "any"
	CallerAuthenticated   PolicyCaller = "authenticated"
	CallerUnauthenticated PolicyCaller = "unauthenticated"
)

// Calls is what all calls have in common.
type Calls struct {
	LoopDetection Switch       `yaml:"loop_detection"`
	RoutedMode    RoutedMode   `yaml:"routed_mode"`
	UnknownIP     UnknownIP    `yaml:"unknown_ip"`
	FallbackAlias string       `yaml:"fallback_alias"`
	Interworking  Interworking `yaml:"interworking"`
	Max           int          `yaml:"max"`
	Trace         Switch       `yaml:"trace"`
	Records       string       `yaml:"records"`
}

// RoutedMode says whether the node stays in the signalling of calls (facts A2.3).
type RoutedMode string

// Routed modes.
const (
	RoutedAlways  RoutedMode = "always"
	RoutedOptimal RoutedMode = "optimal"
)

// UnknownIP is what becomes of calls to addresses that nobody has registered.
type UnknownIP string

// What may become of them.
const (
	UnknownIPOff      UnknownIP = "off"
	UnknownIPDirect   UnknownIP = "direct"
	UnknownIPIndirect UnknownIP = "indirect" // a neighbour is asked to
)

// Interworking says for whom SIP and H.323 are translated.
type Interworking string

// Interworking modes.
const (
	InterworkOff        Interworking = "off"
	InterworkRegistered Interworking = "registered_only"
	InterworkOn         Interworking = "on"
)

func policyItems() []Item {
	const rule = "Policy Call Rules Rule"
	items := live(
		Item{Path: "call_policy.mode", X: "Policy Call Mode", Kind: onOff(), Default: "on", Text: "Whether rules decide which calls may be made. Off: whatever a search rule finds a target for."},
		Item{Path: "call_policy.unknown", X: "Policy Call Unknown", Kind: words("allow", "deny"), Default: "deny", Text: "What becomes of calls that no rule matches and whose caller is neither registered and authenticated nor in a zone of the list."},
		Item{Path: "call_policy.rules", X: rule, Kind: entries("policy rule", 1000), Text: "The rules; the first that matches decides."},
		Item{Path: "call_policy.rules[].name", X: rule + " [] Name", Kind: text(1, 50), Required: true, Text: "Name of the rule."},
		Item{Path: "call_policy.rules[].description", X: rule + " [] Description", Kind: text(0, 64), Text: "What it is for."},
		priority("call_policy.rules[].priority", rule+" [] Priority"),
		Item{Path: "call_policy.rules[].source", X: rule + " [] Source Mode", Kind: words("any", "all_zones", "local=LocalZone", "named"), Default: "any", Text: "Where the call comes from."},
		Item{Path: "call_policy.rules[].source_name", X: rule + " [] Source Name", Kind: nameOf("zones", "subzones").or(DefaultZoneName, DefaultSubzoneName), Text: "Zone or subzone of source named."},
		Item{Path: "call_policy.rules[].caller", X: rule + " [] Caller", Kind: words("any", "authenticated", "unauthenticated"), Default: "any", Text: "Which callers the rule is for."},
	)
	items = append(items, patternItems("call_policy.rules[].from", rule+" [] From", "any", "any")...)
	items = append(items, patternItems("call_policy.rules[].to", rule+" [] To", "any", "any")...)
	return append(items,
		Item{Path: "call_policy.rules[].action", X: rule + " [] Action", Kind: words("allow", "deny"), Default: "allow", Restart: RestartNone, Text: "What the rule does."},
		state("call_policy.rules[].state", rule+" [] State"),
	)
}

func callItems() []Item {
	items := live(
		Item{Path: "calls.loop_detection", X: "Call Loop Detection Mode", Kind: onOff(), Default: "on", Text: "Notice searches that come back, and end them."},
		Item{Path: "calls.routed_mode", X: "Call Routed Mode", Kind: words("always", "optimal"), Default: "always", Text: "Optimal: leave the signalling of calls that do not need the node. A cluster wants it."},
		Item{Path: "calls.unknown_ip", X: "Call Services CallsToUnknownIPAddresses", Kind: words("off", "direct", "indirect"), Default: "indirect", Text: "Calls to addresses that nobody registered from: refused, placed, or left to a neighbour."},
		Item{Path: "calls.fallback_alias", X: "Call Services Fallback Alias", Kind: text(0, 60), Text: "Who is called when only the node's own address was dialled."},
		Item{Path: "calls.interworking", X: "Interworking Mode", Kind: words("off", "registered_only", "on"), Default: "registered_only", Text: "For whom SIP and H.323 are translated: nobody, calls with a registered endpoint, all."},
		Item{Path: "calls.max", X: "Call Maximum", Kind: integer(0, 65536).shown("1–65536"), Unset: "the platform's", Text: "Limit of calls without video of platform custom; the other platforms bring their own. A call with video takes the place of two, and so does one whose streams nobody has told yet. More are refused with 503."},
		Item{Path: "calls.trace", X: "Call Trace Mode", Kind: onOff(), Default: "on", Text: "Keep the messages of calls for `turnpike call trace`, at most 32 KiB a call, without passwords and keys. They are in memory only."},
		Item{Path: "calls.records", X: "CDR File", Kind: text(0, 4095).shown("absolute path, or `off`"), Unset: "calls.jsonl in system.state", Restart: RestartNode, Peer: true, Text: "File that gets a line of JSON for each call that has ended; calls that the node did not allow or had no room for go into one beside it, *-refused. At 64 MiB a file is renamed to *.1 and begun again."},
	)
	return awaits(awaitsH323, awaits(awaitsOptimal, items, "calls.routed_mode"), "calls.interworking")
}
