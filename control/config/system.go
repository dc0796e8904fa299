package config

import "net/netip"

// System names the node and its size.
type System struct {
	Name     string       `yaml:"name"`
	HostName string       `yaml:"host_name"`
	Domain   string       `yaml:"domain"`
	Role     Role         `yaml:"role"`
	Platform PlatformName `yaml:"platform"`
	State    string       `yaml:"state"`
}

// Role is a node's place: core or edge (CL-21).
type Role string

// Roles.
const (
	RoleCore Role = "C"
	RoleEdge Role = "E"
)

// Interfaces are the node's sides. With one, it is both.
type Interfaces struct {
	Internal *Internal `yaml:"internal"`
	External *External `yaml:"external"`
}

// Internal is the interface towards the own network.
type Internal struct {
	Name string `yaml:"name"`
}

// External is the interface towards the internet; relays are on it (ME-04).
type External struct {
	Name      string     `yaml:"name"`
	StaticNAT netip.Addr `yaml:"static_nat"`
}

// DNS is where names are looked up.
type DNS struct {
	Servers []netip.Addr `yaml:"servers"`
	Search  []string     `yaml:"search"`
}

// NTP is where the time comes from.
type NTP struct {
	Servers  []HostPort `yaml:"servers"`
	TimeZone string     `yaml:"time_zone"`
}

func systemItems() []Item {
	items := peer(
		Item{Path: "system.name", X: "SystemUnit Name", Kind: text(0, 63).shown("letters, digits, hyphens"), Required: true, Text: "Name of the node, as logs, status and pins show it."},
		Item{Path: "system.host_name", X: "IP DNS Hostname", Kind: text(0, 63).shown("letters, digits, hyphens"), Unset: "system.name", Text: "Host name; with `system.domain` the node's FQDN."},
		Item{Path: "system.domain", X: "IP DNS Domain Name", Kind: text(0, 128).shown("DNS domain"), Text: "Domain of the host name."},
		Item{Path: "system.role", X: "SystemUnit Role", Kind: words("C=C", "E=E"), Default: "E", Text: "Edge or core. TURN is an edge's work."},
		Item{Path: "system.platform", X: "SystemUnit Platform", Kind: words("CE1200", "Large", "Medium", "Small", "custom"), Default: "Large", Text: "Size of the machine; sets the limits (6000 relays on CE1200 and Large, 1800 on Medium and Small)."},
		Item{Path: "system.state", X: "SystemUnit State", Kind: file(), Default: "/var/lib/turnpike", Text: "Directory of the node's socket, journal, configuration and keys. No two nodes may share one."},
	)
	for i := range items {
		items[i].Kept = items[i].Path == "system.state" // a reset does not move the node
	}
	return items
}

func interfaceItems() []Item {
	return peer(
		Item{Path: "interfaces.internal.name", X: "Ethernet Internal Name", Kind: text(0, 15).shown("interface"), Kept: true, Text: "Interface towards the own network, or a VLAN on one. One of the two may be left out."},
		Item{Path: "interfaces.external.name", X: "Ethernet External Name", Kind: text(0, 15).shown("interface"), Text: "Interface towards the internet, or a VLAN on one. Relays are on it. XDP runs on network cards, veths and VLANs on them if `ethtool -K CARD rxvlan off` lets it see the tags, and not on bonds, bridges and other devices of software; `turnpike status` says why."},
		Item{Path: "interfaces.external.static_nat", X: "Ethernet External IP V4 StaticNAT Address", Kind: one(TypeAddress), Text: "Address that clients are told instead of the external interface's own of the same family, because a NAT in front maps it one to one."},
	)
}

func networkItems() []Item {
	return awaits(awaitsNobody, peer(
		Item{Path: "dns.servers", X: "IP DNS Server [] Address", Kind: one(TypeAddress).many(5), Unset: "the machine's", Text: "DNS servers of the node."},
		Item{Path: "dns.search", X: "IP DNS SearchDomains [] Name", Kind: text(1, 128).many(5), Text: "Domains that names without a dot are tried in."},
		Item{Path: "ntp.servers", X: "NTP Server [] Address", Kind: one(TypeHost).many(5), Unset: "the machine's", Text: "Servers that the clock follows. Peers of a cluster need the same time."},
		Item{Path: "ntp.time_zone", X: "TimeZone Name", Kind: text(0, 64), Default: "UTC", Text: "Zone in which times are shown. The log is in UTC whatever it says."},
	), "ntp")
}
