package config

// Names of the zones and subzones that are always there. Links and rules name
// them like those of the lists.
const (
	LocalZoneName        = "local"
	DefaultZoneName      = "DefaultZone"
	DefaultSubzoneName   = "DefaultSubZone"
	TraversalSubzoneName = "TraversalSubZone"
	ClusterSubzoneName   = "ClusterSubZone"
)

// MaxZonePeers is how many addresses a zone has (RG-06).
const MaxZonePeers = 6

// Zone is a neighbour, a traversal client or server, or what DNS finds (facts A2.2).
type Zone struct {
	Index          int                `yaml:"-"`
	Name           string             `yaml:"name"`
	Type           ZoneType           `yaml:"type"`
	Protocol       ZoneProtocol       `yaml:"protocol"`
	Peers          []HostPort         `yaml:"peers"` // the order does not matter
	Monitor        Switch             `yaml:"monitor"`
	HopCount       int                `yaml:"hop_count"`
	Authentication AuthenticationMode `yaml:"authentication"`
	SIP            ZoneSIP            `yaml:"sip"`
	H323           ZoneH323           `yaml:"h323"`
	Traversal      ZoneTraversal      `yaml:"traversal"`
	NAT            Switch             `yaml:"nat"`
	Media          MediaMode          `yaml:"media"`
	// Infrastructure says that who is registered there counts as registered here: calls
	// between such parties take no licence (LI-04, facts A3).
	Infrastructure Switch `yaml:"infrastructure"`
}

// ZoneType is what a zone is; it is fixed once the zone is there.
type ZoneType string

// Zone types.
const (
	ZoneNeighbour       ZoneType = "neighbour"
	ZoneTraversalClient ZoneType = "traversal_client"
	ZoneTraversalServer ZoneType = "traversal_server"
	ZoneDNS             ZoneType = "dns"
)

// ZoneProtocol is what a zone speaks.
type ZoneProtocol string

// Zone protocols.
const (
	SpeaksBoth ZoneProtocol = "both"
	SpeaksSIP  ZoneProtocol = "sip"
	SpeaksH323 ZoneProtocol = "h323"
)

// SIP reports whether SIP is among them.
func (p ZoneProtocol) SIP() bool { return p != SpeaksH323 }

// H323 reports whether H.323 is among them.
func (p ZoneProtocol) H323() bool { return p != SpeaksSIP }

// AuthenticationMode says which messages count as authenticated.
type AuthenticationMode string

// Authentication modes.
const (
	AuthCheck   AuthenticationMode = "check"
	AuthIgnore  AuthenticationMode = "do_not_check"
	AuthTrusted AuthenticationMode = "treat_as_authenticated"
)

// Transport is how SIP travels to a zone.
type Transport string

// Transports.
const (
	TransportUDP Transport = "udp"
	TransportTCP Transport = "tcp"
	TransportTLS Transport = "tls"
)

// ZoneSIP is how a zone speaks SIP.
type ZoneSIP struct {
	Port       Port      `yaml:"port"` // of peers that name none
	Transport  Transport `yaml:"transport"`
	TLSVerify  Switch    `yaml:"tls_verify"`
	VerifyName string    `yaml:"tls_verify_name"`
	Trusted    Switch    `yaml:"trusted"`
	Refer      ReferMode `yaml:"refer"` // empty: as sip.refer
}

// ZoneH323 is how a zone speaks H.323.
type ZoneH323 struct {
	RASPort  uint16 `yaml:"ras_port"`
	CallPort uint16 `yaml:"call_port"`
}

// ZoneTraversal is what a traversal zone adds: the account that a client proves to
// the server, and on the server a port of its own for each protocol.
type ZoneTraversal struct {
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	SIPPort  Port   `yaml:"sip_port"`
	H323Port Port   `yaml:"h323_port"`
}

// DefaultZone is whoever no other zone is.
type DefaultZone struct {
	HopCount       int                `yaml:"hop_count"`
	Authentication AuthenticationMode `yaml:"authentication"`
	NAT            Switch             `yaml:"nat"`
	Media          MediaMode          `yaml:"media"`
	AccessRules    []AccessRule       `yaml:"access_rules"`
}

// AccessRule lets TLS callers in or keeps them out by the name in their certificate.
type AccessRule struct {
	Index    int     `yaml:"-"`
	Name     string  `yaml:"name"`
	Priority int     `yaml:"priority"`
	Pattern  Pattern `yaml:"pattern"`
	Action   Action  `yaml:"action"`
	State    State   `yaml:"state"`
}

// Action is what a rule does.
type Action string

// Actions.
const (
	ActionAllow Action = "allow"
	ActionDeny  Action = "deny"
)

// State is whether a rule is looked at.
type State string

// States.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
)

func authentication(path, x, fallback string) Item {
	return Item{Path: path, X: x, Kind: words("check=CheckCredentials", "do_not_check=DoNotCheckCredentials", "treat_as_authenticated"), Default: fallback, Restart: RestartNone, Text: "Which messages count as authenticated: those whose password was checked, none, or all."}
}

func priority(path, x string) Item {
	return Item{Path: path, X: x, Kind: integer(1, 65534), Default: "100", Restart: RestartNone, Text: "1 is looked at first."}
}

func state(path, x string) Item {
	return Item{Path: path, X: x, Kind: words("enabled", "disabled"), Default: "enabled", Restart: RestartNone, Text: "A disabled rule is not looked at."}
}

func zoneItems() []Item {
	items := awaits(awaitsH323, live(
		Item{Path: "zones", X: "Zones Zone", Kind: entries("zone", 1000), Text: "Other systems: neighbours, traversal clients and servers, DNS."},
		Item{Path: "zones[].name", X: "Zones Zone [] Name", Kind: text(1, 50), Required: true, Text: "Name of the zone."},
		Item{Path: "zones[].type", X: "Zones Zone [] Type", Kind: words("neighbour=Neighbor", "traversal_client", "traversal_server", "dns=DNS"), Default: "neighbour", Text: "What the zone is. It stays as long as the zone."},
		Item{Path: "zones[].protocol", X: "Zones Zone [] Protocol", Kind: words("both", "sip=SIP", "h323=H323"), Default: "both", Text: "What is spoken with it."},
		Item{Path: "zones[].peers", X: "Zones Zone [] Neighbor Peer [] Address", Kind: one(TypeHost).many(MaxZonePeers), Text: "The remote system or the peers of its cluster, in any order; a name has one address. A traversal server zone and a DNS zone have none."},
		Item{Path: "zones[].monitor", X: "Zones Zone [] Monitor", Kind: onOff(), Default: "on", Text: "Ask regularly whether the peers live, and leave out those that do not."},
		Item{Path: "zones[].hop_count", X: "Zones Zone [] HopCount", Kind: integer(1, 255), Default: "15", Text: "Hops that a request to the zone may still take; a smaller received number stands."},
		authentication("zones[].authentication", "Zones Zone [] Authentication Mode", "do_not_check"),
		Item{Path: "zones[].sip.port", X: "Zones Zone [] SIP Port", Kind: port(1), Default: "5061", Text: "SIP port of peers that name none."},
		Item{Path: "zones[].sip.transport", X: "Zones Zone [] SIP Transport", Kind: words("udp=UDP", "tcp=TCP", "tls=TLS"), Unset: "tls, or udp for a neighbour's peers with another port than 5061", Text: "How SIP goes to the zone."},
		Item{Path: "zones[].sip.tls_verify", X: "Zones Zone [] SIP TLS Verify Mode", Kind: onOff(), Default: "off", Text: "Check the peers' certificates."},
		Item{Path: "zones[].sip.tls_verify_name", X: "Zones Zone [] SIP TLS Verify Subject Name", Kind: text(0, 128), Unset: "the peer's name", Text: "Name that a certificate must have; of a traversal server zone it is the client's (cluster's) FQDN."},
		Item{Path: "zones[].sip.trusted", X: "Zones Zone [] SIP Trusted Mode", Kind: onOff(), Default: "off", Text: "Who the zone says that a caller is counts: P-Asserted-Identity is taken from it, and goes to it also where a caller asked for privacy (RFC 3325)."},
		Item{Path: "zones[].sip.refer", X: "Zones Zone [] SIP Refer Mode", Kind: words("pass", "refuse"), Unset: "as `sip.refer`", Text: "What becomes of a REFER that comes from the zone."},
		Item{Path: "zones[].h323.ras_port", X: "Zones Zone [] H323 Port", Kind: integer(1024, 65534), Default: "1719", Text: "RAS port of the peers."},
		Item{Path: "zones[].h323.call_port", X: "Zones Zone [] H323 CallSignaling Port", Kind: integer(1024, 65534), Default: "1720", Text: "Call signalling port of the peers."},
		Item{Path: "zones[].traversal.username", X: "Zones Zone [] Traversal Authentication UserName", Kind: text(0, 128), Text: "Account that the traversal client uses and the server expects."},
		Item{Path: "zones[].traversal.password", X: "Zones Zone [] Traversal Authentication Password", Kind: secret(), Text: "Its password, on the client."},
		Item{Path: "zones[].traversal.sip_port", X: "Zones Zone [] Traversal SIP Port", Kind: port(1024), Default: "off", Text: "Port for this zone's SIP on the server, one for each zone, usually from 7001. It is listened on from the next start on."},
		Item{Path: "zones[].traversal.h323_port", X: "Zones Zone [] Traversal H323 Port", Kind: port(1024), Default: "off", Text: "Port for this zone's H.323 on the server, one for each zone, usually from 6001."},
		Item{Path: "zones[].nat", X: "Zones Zone [] NAT Mode", Kind: onOff(), Default: "off", Text: "Endpoints behind the zone may be behind NAT: media is also learnt from the address that their signalling comes from."},
		mediaMode("zones[].media", "Zones Zone [] Media Mode"),
		Item{Path: "zones[].infrastructure", X: "Zones Zone [] Infrastructure Mode", Kind: onOff(), Default: "off", Text: "Who is registered in the zone counts as registered here: calls between such parties take no licence."},
		Item{Path: "default_zone.hop_count", X: "Zones DefaultZone HopCount", Kind: integer(1, 255), Default: "15", Text: "As `zones[].hop_count`, for whoever no other zone is."},
		authentication("default_zone.authentication", "Zones DefaultZone Authentication Mode", "do_not_check"),
		natMode("default_zone.nat", "Zones DefaultZone NAT Mode", "off"),
		mediaMode("default_zone.media", "Zones DefaultZone Media Mode"),
		Item{Path: "default_zone.access_rules", X: "Zones DefaultZone AccessRules Rule", Kind: entries("access rule", 10000), Text: "Who may speak TLS with the Default Zone, by a name in the certificate. Without rules, all."},
		Item{Path: "default_zone.access_rules[].name", X: "Zones DefaultZone AccessRules Rule [] Name", Kind: text(1, 50), Required: true, Text: "Name of the rule."},
		priority("default_zone.access_rules[].priority", "Zones DefaultZone AccessRules Rule [] Priority"),
	), "zones[].h323", "zones[].traversal.h323_port")
	items = append(items, patternItems("default_zone.access_rules[].pattern", "Zones DefaultZone AccessRules Rule [] Pattern", "exact")...)
	return append(items,
		Item{Path: "default_zone.access_rules[].action", X: "Zones DefaultZone AccessRules Rule [] Action", Kind: words("allow", "deny"), Default: "allow", Restart: RestartNone, Text: "What the rule does."},
		state("default_zone.access_rules[].state", "Zones DefaultZone AccessRules Rule [] State"),
	)
}
