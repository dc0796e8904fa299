package config

import "net/netip"

// maxPeers is the largest cluster (CL-01).
const maxPeers = 6

// Cluster is a node's idea of its cluster; it is set on each peer (CL-01).
type Cluster struct {
	Name    string    `yaml:"name"`
	Primary int       `yaml:"primary"`
	IP      IPVersion `yaml:"ip"`
	Peers   []string  `yaml:"peers"`

	Port         Port      `yaml:"port"`
	RecoveryPort Port      `yaml:"recovery_port"`
	SourcePorts  PortRange `yaml:"source_ports"`
}

// minSourcePorts leaves each of the connections with five peers some ports that still wait for their end (TIME-WAIT).
const minSourcePorts = 100

// IPVersion is the version that peers speak to each other in.
type IPVersion string

// IP versions.
const (
	IPv4 IPVersion = "ipv4"
	IPv6 IPVersion = "ipv6"
)

// ClusterTLS says whether peers check each other's certificates (CL-05).
type ClusterTLS string

// Cluster TLS modes.
const (
	TLSPermissive ClusterTLS = "permissive"
	TLSEnforce    ClusterTLS = "enforce"
)

// SharingPolicy says what becomes of what a lost peer has of that which a cluster shares out (LI-06, BW-05).
type SharingPolicy string

// Policies.
const (
	// SharingAvailable lends it anew once the peer cannot use it any more: each side of a partition counts for itself.
	SharingAvailable SharingPolicy = "available"
	// SharingStrict keeps it for the peer: nothing is ever lent twice.
	SharingStrict SharingPolicy = "strict"
)

// Redundancy is as how many peers a cluster counts (CA-02).
type Redundancy string

// Models of redundancy.
const (
	RedundancyClassic     Redundancy = "classic"
	RedundancyFourPlusOne Redundancy = "4+1"
	RedundancyFivePlusOne Redundancy = "5+1"
)

// Counts returns as how many of its peers a cluster of a platform counts (CA-02): capacity and licences are so many
// times the node's.
func (r Redundancy) Counts(p PlatformName, peers int) int {
	most := 4
	switch {
	case p == PlatformSmall: // never gains
		most = 1
	case r == RedundancyFivePlusOne:
		most = 5
	}
	return min(max(peers, 1), most)
}

// Peers returns how many peers a model is for.
func (r Redundancy) Peers() int {
	if r == RedundancyFourPlusOne {
		return 5
	}
	return maxPeers
}

// Mapping answers for peer names before DNS does (CL-07).
type Mapping struct {
	Mode    Switch       `yaml:"mode"`
	Entries []AddressMap `yaml:"entries"`
}

// AddressMap is one pair of a mapping.
type AddressMap struct {
	Index   int        `yaml:"-"`
	Name    string     `yaml:"name"` // FQDN
	Address netip.Addr `yaml:"address"`
}

func clusterItems() []Item {
	own := peer(
		Item{Path: "cluster.name", X: "Alternates Cluster Name", Kind: text(0, 128).shown("FQDN"), Restart: RestartNone, Text: "Name of the cluster, the same on all peers."},
		Item{Path: "cluster.primary", X: "Alternates ConfigurationPrimary", Kind: integer(1, maxPeers), Default: "1", Restart: RestartNone, Text: "Which peer of the list owns the shared configuration."},
		Item{Path: "cluster.ip", X: "Alternates IP Version", Kind: words("ipv4=IPv4", "ipv6=IPv6"), Default: "ipv4", Text: "IP version between peers."},
		Item{Path: "cluster.peers", X: "Alternates Peer [] Address", Kind: one(TypeHost).many(maxPeers).shown("list of up to 6 addresses or FQDNs"), Restart: RestartNone, Text: "All peers in the same order on each of them, this node among them. A node that runs without peers joins at its next start; a list that is emptied arms a factory reset."},
		Item{Path: "cluster.port", X: "Alternates Port", Kind: port(1024), Default: "4372", Text: "TCP port of the cluster's communication (TLS), the same on all peers."},
		Item{Path: "cluster.recovery_port", X: "Alternates Recovery Port", Kind: port(1024), Default: "4371", Text: "TCP port that a node answers on before it has joined (TLS), the same on all peers."},
		Item{Path: "cluster.source_ports.start", X: "Alternates Source Port Start", Kind: integer(1024, 65535), Default: "30000", Text: "First port that connections to peers come from."},
		Item{Path: "cluster.source_ports.end", X: "Alternates Source Port End", Kind: integer(1024, 65535), Default: "35999", Text: "Last of them."},
	)
	shared := []Item{
		{Path: "cluster_tls", X: "Alternates TLS Verify Mode", Kind: words("permissive", "enforce=Enforcing"), Default: "permissive", Text: "`enforce`: a peer's certificate must chain to a trusted CA and carry its FQDN. `permissive`: encrypted, certificates not checked."},
		{Path: "cluster_redundancy", X: "Alternates Redundancy Model", Kind: words("classic=Classic", "4+1", "5+1"), Default: "classic", Restart: RestartNone, Text: "As how many peers the cluster counts: `classic` and `4+1` (up to 5 peers) at most 4, `5+1` at most 5. Of platform small always 1."},
		{Path: "cluster_mapping.mode", X: "Alternates AddressMapping Mode", Kind: onOff(), Default: "off", Restart: RestartNone, Text: "Look peer names up in the table below before DNS."},
		{Path: "cluster_mapping.entries", X: "Alternates AddressMapping Entry", Kind: entries("mapping", maxPeers), Restart: RestartNone, Text: "The table: one pair for each peer."},
		{Path: "cluster_mapping.entries[].name", X: "Alternates AddressMapping Entry [] Fqdn", Kind: text(1, 128).shown("FQDN"), Required: true, Restart: RestartNone, Text: "Name of the peer."},
		{Path: "cluster_mapping.entries[].address", X: "Alternates AddressMapping Entry [] IpAddress", Kind: one(TypeAddress), Required: true, Restart: RestartNone, Text: "Its address."},
	}
	return append(own, shared...)
}
