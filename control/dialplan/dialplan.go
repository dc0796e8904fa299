// Package dialplan decides where a call goes: from a request, an immutable plan and
// what is registered it makes the targets to try, in order.
//
// It exists apart from SIP and H.323 so that both route alike, so that every peer of a
// cluster routes alike (RG-09: nothing but the configuration and the shared
// registrations goes in), and so that the order of processing, which is easy to get
// subtly wrong, is in one place and held against a model. The order is that of facts
// A2.1:
//
//  1. the alias is received, searches that came back are ended,
//  2. pre-search transforms: the first that matches, and no other,
//  3. call policy: allow, deny, or new aliases that begin again at 2,
//  4. (users' own policy: not there yet, its aliases would begin again at 2),
//  5. search rules by priority, with
//  6. the change of the alias that a rule makes on the way to its target,
//  7. the targets: registrations, peers of zones, DNS, an address itself.
//
// What a target answers is not known here. The caller tries the groups of targets in
// turn; where an answer is a new URI (ENUM, DNS, a redirect) it asks again with that
// alias and the trail of those before.
package dialplan

import (
	"fmt"
	"net/netip"
	"slices"

	"turnpike.dev/turnpike/control/pattern"
	"turnpike.dev/turnpike/control/zones"
)

// Limits of a plan (facts A1.1).
const (
	MaxTransforms = 100
	MaxRules      = 2000
	MaxPolicy     = 1000
	MaxPriority   = 65534
	// MaxFallback is how long the fallback alias is (facts A2.1).
	MaxFallback = 60
	// MaxTargets bounds one search: nobody rings more places for one call.
	MaxTargets = 64
	// maxDepth bounds how often new aliases begin again, along one branch.
	maxDepth = 10
	// maxBranches bounds it over the whole search.
	maxBranches = 50
)

// Protocol is a signalling protocol.
type Protocol uint8

// Protocols.
const (
	AnyProtocol Protocol = iota // in rules
	SIP
	H323
)

var protocolNames = [...]string{"any", "sip", "h323"}

// String returns the protocol as configuration and traces write it.
func (p Protocol) String() string { return protocolNames[p%3] }

// MarshalText writes the protocol for JSON.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (p *Protocol) UnmarshalText(text []byte) error {
	i := slices.Index(protocolNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no protocol: want any, sip or h323", text)
	}
	*p = Protocol(i)
	return nil
}

// other returns the protocol that interworking would use instead.
func (p Protocol) other() Protocol {
	if p == SIP {
		return H323
	}
	return SIP
}

// speaks says whether a zone speaks p.
func (p Protocol) speaks(z *zones.Zone) bool { return p == SIP && z.SIP || p == H323 && z.H323 }

// Source says from where requests come that a rule is for.
type Source uint8

// Sources.
const (
	AnySource Source = iota
	AllZones         // the Local Zone and every zone of the list, not the Default Zone
	LocalZone        // what is registered
	Named            // one zone or subzone
)

// Mode says which aliases a search rule is for.
type Mode uint8

// Modes.
const (
	Anything     Mode = iota
	AnyAlias          // all but IP addresses
	AnyIPAddress      // IP addresses
	AliasPattern      // what the pattern matches
)

// UnknownIP says what becomes of calls to addresses that nobody registered from
// (facts A2.1).
type UnknownIP uint8

// What becomes of them.
const (
	Indirect UnknownIP = iota // a zone is asked, by the search rules
	Direct                    // the call is placed to the address; no zone is asked
	Off                       // refused
)

// Interworking says for whom SIP and H.323 are translated (facts A2.1).
type Interworking uint8

// Interworking modes.
const (
	RegisteredOnly Interworking = iota // where one end is registered here
	InterworkingOff
	InterworkingOn
)

// Transform changes an alias before anything is searched.
type Transform struct {
	Name     string
	Priority int // of this one alone; 1 is looked at first
	Type     pattern.Type
	Pattern  string
	Behavior pattern.Behavior
	Replace  string
	Disabled bool
}

// Rule is a search rule: which aliases are searched where.
type Rule struct {
	Name          string
	Priority      int // 1 is looked at first; those of one priority together
	Protocol      Protocol
	Source        Source
	SourceName    string // for Named
	Authenticated bool   // only requests that are
	Mode          Mode
	Type          pattern.Type
	Pattern       string
	Behavior      pattern.Behavior // Leave, Strip or Replace
	Replace       string
	Stop          bool // after a match, only the rest of the same priority
	Target        string
	Disabled      bool
}

// Caller is which callers a policy rule is for.
type Caller uint8

// Callers.
const (
	AnyCaller Caller = iota
	Authenticated
	Unauthenticated
)

// Action is what a policy rule does.
type Action uint8

// Actions.
const (
	Allow Action = iota
	Deny
	Redirect // to the rule's destinations, each of which begins again
)

// Match is a pattern, or anything where Any is set.
type Match struct {
	Any     bool
	Type    pattern.Type
	Pattern string
}

// PolicyRule allows, denies or redirects calls.
type PolicyRule struct {
	Name         string
	Priority     int // 1 is looked at first; those of one priority as written
	Source       Source
	SourceName   string
	Caller       Caller
	From, To     Match // the calling and the called alias
	Action       Action
	Destinations []string // of Redirect; may use the groups of To
	Disabled     bool
}

// Policy is call policy. The first rule that matches decides. Where none does, callers
// that are known may call (a zone of the list, or registered and authenticated), others
// may not: closed by default.
type Policy struct {
	Off          bool // nobody is asked
	AllowUnknown bool // opens the default
	Rules        []PolicyRule
}

// Config is what a Plan is compiled from.
type Config struct {
	Zones         *zones.Directory
	Subzones      []string // that rules may name as a source, besides the built-in ones
	Transforms    []Transform
	Policy        Policy
	Rules         []Rule
	UnknownIP     UnknownIP
	Interworking  Interworking
	NoLoopCheck   bool
	FallbackAlias string
	// Own and Domains are what this node is itself called, for the fallback alias.
	Own     []netip.Addr
	Domains []string
}
