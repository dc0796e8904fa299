package config

// Limit bounds bandwidth (facts A1.2).
type Limit struct {
	Mode LimitMode `yaml:"mode"`
	Kbps int       `yaml:"kbps"` // of mode limited
}

// LimitMode is how a limit works.
type LimitMode string

// Limit modes.
const (
	Unlimited   LimitMode = "unlimited"
	Limited     LimitMode = "limited"
	NoBandwidth LimitMode = "none"
)

// Allows returns the kbps that the limit leaves, and whether it limits at all.
func (l Limit) Allows() (kbps int, limits bool) {
	switch l.Mode {
	case Limited:
		return l.Kbps, true
	case NoBandwidth:
		return 0, true
	default:
		return 0, false
	}
}

// SubzoneLimits bounds what a subzone's endpoints use (BW-02).
type SubzoneLimits struct {
	Total  Limit `yaml:"total"`
	Within Limit `yaml:"within"` // a call between two of its endpoints
	InOut  Limit `yaml:"in_out"` // a call that enters or leaves it
}

// Subzone is a part of the Local Zone (BW-01).
type Subzone struct {
	Index          int                `yaml:"-"`
	Name           string             `yaml:"name"`
	Registrations  Action             `yaml:"registrations"`
	Authentication AuthenticationMode `yaml:"authentication"`
	NAT            Switch             `yaml:"nat"`
	Media          MediaMode          `yaml:"media"`
	Bandwidth      SubzoneLimits      `yaml:"bandwidth"`
}

// DefaultSubzone is where endpoints are that no membership rule places.
type DefaultSubzone struct {
	Registrations  Action             `yaml:"registrations"`
	Authentication AuthenticationMode `yaml:"authentication"`
	NAT            Switch             `yaml:"nat"`
	Media          MediaMode          `yaml:"media"`
	Bandwidth      SubzoneLimits      `yaml:"bandwidth"`
}

// TraversalSubzone is what calls pass whose media the node takes.
type TraversalSubzone struct {
	Total   Limit `yaml:"total"`
	PerCall Limit `yaml:"per_call"`
}

// MembershipRule places registrations into subzones (facts A1.1).
type MembershipRule struct {
	Index       int            `yaml:"-"`
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	Priority    int            `yaml:"priority"`
	Type        MembershipType `yaml:"type"`
	Subnet      AddrPrefix     `yaml:"subnet"`
	Pattern     Pattern        `yaml:"pattern"`
	Subzone     string         `yaml:"subzone"`
	State       State          `yaml:"state"`
}

// MembershipType says what a membership rule looks at.
type MembershipType string

// Membership types.
const (
	MemberSubnet MembershipType = "subnet"
	MemberAlias  MembershipType = "alias"
)

// maxKbps is the largest limit (facts A1.2).
const maxKbps = 100_000_000

// limitItems declares a limit; the values are those of the sources' command line.
func limitItems(path, x, kbps, text string) []Item {
	return live(
		Item{Path: path + ".mode", X: x + " Mode", Kind: words("unlimited", "limited", "none=NoBandwidth"), Default: "unlimited", Text: text},
		Item{Path: path + ".kbps", X: x + " Limit", Kind: integer(1, maxKbps), Default: kbps, Text: "The limit in kbit/s, when the mode is limited."},
	)
}

const (
	defaultTotal   = "500000"
	defaultPerCall = "1920"
)

// subzoneKeys declares what a subzone has besides its name.
func subzoneKeys(path, x string) []Item {
	items := live(
		Item{Path: path + ".registrations", X: x + " Registrations", Kind: words("allow", "deny"), Default: "allow", Text: "Whether endpoints that belong here may register."},
		authentication(path+".authentication", x+" Authentication Mode", "check"),
		natMode(path+".nat", x+" NAT Mode", "on"),
		mediaMode(path+".media", x+" Media Mode"),
	)
	items = append(items, limitItems(path+".bandwidth.total", x+" Bandwidth Total", defaultTotal, "Bandwidth of all calls together.")...)
	items = append(items, limitItems(path+".bandwidth.within", x+" Bandwidth PerCall Intra", defaultPerCall, "Bandwidth of one call between two endpoints of the subzone.")...)
	return append(items, limitItems(path+".bandwidth.in_out", x+" Bandwidth PerCall Inter", defaultPerCall, "Bandwidth of one call in or out of the subzone.")...)
}

func subzoneItems() []Item {
	const list, rules = "Zones LocalZone SubZones SubZone", "Zones LocalZone SubZones MembershipRules Rule"
	items := live(
		Item{Path: "subzones", X: list, Kind: entries("subzone", 1000), Text: "Parts of the Local Zone."},
		Item{Path: "subzones[].name", X: list + " [] Name", Kind: text(1, 50), Required: true, Text: "Name of the subzone."},
	)
	items = append(items, subzoneKeys("subzones[]", list+" []")...)
	items = append(items, subzoneKeys("default_subzone", "Zones LocalZone DefaultSubZone")...)
	items = append(items, limitItems("traversal_subzone.total", "Zones LocalZone TraversalSubZone Bandwidth Total", defaultTotal, "Bandwidth of all traversal calls together.")...)
	items = append(items, limitItems("traversal_subzone.per_call", "Zones LocalZone TraversalSubZone Bandwidth PerCall", defaultPerCall, "Bandwidth of one traversal call.")...)
	items = append(items, live(
		Item{Path: "membership_rules", X: rules, Kind: entries("membership rule", 3000), Text: "Which subzone an endpoint belongs to. Without a match it is the Default Subzone."},
		Item{Path: "membership_rules[].name", X: rules + " [] Name", Kind: text(1, 50), Required: true, Text: "Name of the rule."},
		Item{Path: "membership_rules[].description", X: rules + " [] Description", Kind: text(0, 64), Text: "What it is for."},
		priority("membership_rules[].priority", rules+" [] Priority"),
		Item{Path: "membership_rules[].type", X: rules + " [] Type", Kind: words("subnet", "alias=AliasPatternMatch"), Default: "subnet", Text: "Whether the address or an alias decides. Of rules with one priority the longest prefix goes first, then aliases in the order of the list."},
		Item{Path: "membership_rules[].subnet", X: rules + " [] Subnet", Kind: one(TypePrefix), Text: "Prefix that the endpoint's address is in."},
	)...)
	items = append(items, patternItems("membership_rules[].pattern", rules+" [] Pattern", "prefix")...)
	return append(items,
		Item{Path: "membership_rules[].subzone", X: rules + " [] SubZoneName", Kind: nameOf("subzones").or(DefaultSubzoneName), Default: DefaultSubzoneName, Restart: RestartNone, Text: "Subzone of endpoints that match."},
		state("membership_rules[].state", rules+" [] State"),
	)
}
