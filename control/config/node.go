// Package config is a node's configuration: one typed tree with one declaration per
// item, read from node files and changed through a store.
//
// It exists so that a typing error is found before the node changes anything: keys
// that nobody knows, values out of range and sections that contradict each other
// are all reported at once, each with file, line and column. Everything that speaks
// of configuration (node file, commands, xConfiguration, reference page, what is
// replicated, what is secret) asks the same declaration, Schema. Nothing in here
// opens a socket or looks at the machine; a document is right or wrong wherever it
// is read.
package config

import "net/netip"

// Node is the whole tree of one node. A Node that was handed out is never changed:
// who holds one has a snapshot. Zero values are what a file that does not name
// the key means, except where the schema has a default.
type Node struct {
	System     System     `yaml:"system"`
	Interfaces Interfaces `yaml:"interfaces"`
	DNS        DNS        `yaml:"dns"`
	NTP        NTP        `yaml:"ntp"`
	Cluster    Cluster    `yaml:"cluster"`
	ClusterTLS ClusterTLS `yaml:"cluster_tls"`
	// Redundancy is as how many peers the cluster counts.
	Redundancy   Redundancy   `yaml:"cluster_redundancy"`
	Mapping      Mapping      `yaml:"cluster_mapping"`
	OptionKeys   []OptionKey  `yaml:"option_keys"`
	Licensing    Licensing    `yaml:"licensing"`
	Certificates Certificates `yaml:"certificates"`

	TURN      TURN      `yaml:"turn"`
	Media     Media     `yaml:"media"`
	Dataplane Dataplane `yaml:"dataplane"`

	SIP           SIP           `yaml:"sip"`
	Domains       []string      `yaml:"domains"`
	H323          H323          `yaml:"h323"`
	Accounts      []Account     `yaml:"accounts"`
	Registrations Registrations `yaml:"registrations"`

	Zones           []Zone           `yaml:"zones"`
	DefaultZone     DefaultZone      `yaml:"default_zone"`
	Subzones        []Subzone        `yaml:"subzones"`
	DefaultSubzone  DefaultSubzone   `yaml:"default_subzone"`
	Traversal       TraversalSubzone `yaml:"traversal_subzone"`
	MembershipRules []MembershipRule `yaml:"membership_rules"`
	Pipes           []Pipe           `yaml:"pipes"`
	Links           []Link           `yaml:"links"`
	Bandwidth       Bandwidth        `yaml:"bandwidth"`

	Transforms  []Transform  `yaml:"transforms"`
	SearchRules []SearchRule `yaml:"search_rules"`
	CallPolicy  CallPolicy   `yaml:"call_policy"`
	Calls       Calls        `yaml:"calls"`

	Admin Admin `yaml:"admin"`
	Log   Log   `yaml:"log"`
}

// Default returns what an empty file would mean.
func Default() *Node {
	n := newNode()
	n.Links = defaultLinks()
	return n
}

// Names returns the names of the node's interfaces, internal first.
func (i Interfaces) Names() []string {
	var names []string
	if i.Internal != nil {
		names = append(names, i.Internal.Name)
	}
	if i.External != nil && (i.Internal == nil || i.External.Name != i.Internal.Name) {
		names = append(names, i.External.Name)
	}
	return names
}

// Relay returns the name of the interface that relays are on: the external one,
// or the only one.
func (i Interfaces) Relay() string {
	if i.External != nil {
		return i.External.Name
	}
	if i.Internal != nil {
		return i.Internal.Name
	}
	return ""
}

// StaticNAT returns the address that clients are told instead of the external
// interface's own; invalid when there is none.
func (i Interfaces) StaticNAT() netip.Addr {
	if i.External == nil {
		return netip.Addr{}
	}
	return i.External.StaticNAT
}
