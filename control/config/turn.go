package config

import "net/netip"

// TURN is the TURN server (ME-01, CA-03).
type TURN struct {
	Mode         Switch       `yaml:"mode"`
	Port         uint16       `yaml:"port"`
	Multiplexing Switch       `yaml:"multiplexing"`
	TCP          Switch       `yaml:"tcp"`
	TLS          *TLS         `yaml:"tls"`
	Realm        string       `yaml:"realm"`
	Users        []User       `yaml:"users"`
	Secrets      []Secret     `yaml:"secrets"`
	MediaPorts   PortRange    `yaml:"media_ports"`
	MaxRelays    int          `yaml:"max_relays"`
	QuotaPerUser int          `yaml:"quota_per_user"`
	RateKbps     uint32       `yaml:"rate_kbps"`
	Connections  int          `yaml:"connections_per_source"`
	Deny         []AddrPrefix `yaml:"deny"`
	Loopback     Switch       `yaml:"allow_loopback"`
}

// TLS is the listener for TURN over TLS.
type TLS struct {
	Port        uint16 `yaml:"port"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// User is a long-term credential (RFC 8489 section 9.2).
type User struct {
	Index    int    `yaml:"-"`
	Name     string `yaml:"name"`
	Password Secret `yaml:"password"`
}

// PortRange is an inclusive range of UDP ports.
type PortRange struct {
	Start uint16 `yaml:"start"`
	End   uint16 `yaml:"end"`
}

// Dataplane says who may relay media (ME-03).
type Dataplane struct {
	Mode       PathMode `yaml:"mode"`
	GenericXDP Switch   `yaml:"generic_xdp"`
}

// PathMode says which back end may relay.
type PathMode string

// Path modes: PathAuto takes XDP where it can; PathXDP refuses to start without
// it; PathUserspace leaves the kernel alone.
const (
	PathAuto      PathMode = "auto"
	PathXDP       PathMode = "xdp"
	PathUserspace PathMode = "userspace"
)

// maxUsername is the longest USERNAME (RFC 8489 section 14.3).
const maxUsername = 508

// maxInt is the largest number of a kind that has no other bound.
const maxInt = 1<<31 - 1

func turnItems() []Item {
	return []Item{
		{Path: "turn.mode", X: "Traversal Server TURN Mode", Kind: onOff(), Default: "off", Text: "The TURN server."},
		{Path: "turn.port", X: "Traversal Server TURN Port", Kind: integer(1024, 65534), Default: "3478", Text: "Port for requests, UDP and TCP; with multiplexing off the first of six on CE1200 and Large."},
		{Path: "turn.multiplexing", X: "Traversal Server TURN PortMultiplexing", Kind: onOff(), Default: "on", Text: "One request port for all relays. Off: six ports with 1000 relays each on CE1200 and Large."},
		{Path: "turn.tcp", X: "Traversal Server TURN TCP Mode", Kind: onOff(), Default: "on", Text: "Clients over TCP on the same ports. Their media goes through the process, not through XDP."},
		{Path: "turn.tls.port", X: "Traversal Server TURN TLS Port", Kind: integer(1024, 65534), Default: "5349", Text: "Port for clients over TLS. Without the section there is none."},
		{Path: "turn.tls.certificate", X: "Traversal Server TURN TLS Certificate", Kind: file().shown("file"), Unset: "the node's server certificate", Restart: RestartNone, Peer: true, Text: "Certificate chain in PEM, instead of the one of `turnpike certificate`. `reload` reads it again."},
		{Path: "turn.tls.key", X: "Traversal Server TURN TLS Key", Kind: file().shown("file"), Unset: "the node's", Restart: RestartNone, Peer: true, Text: "Private key in PEM. `reload` reads it again."},
		{Path: "turn.realm", X: "Traversal Server TURN Authentication Realm", Kind: text(0, 128).shown("text"), Default: "turnpike", Text: "Realm that passwords belong to."},
		{Path: "turn.users", X: "Traversal Server TURN User", Kind: entries("user", 10000), Restart: RestartNone, Text: "Long-term credentials."},
		{Path: "turn.users[].name", X: "Traversal Server TURN User [] Name", Kind: text(1, maxUsername), Required: true, Restart: RestartNone, Text: "User of a long-term credential. Taking it away ends the user's relays at once."},
		{Path: "turn.users[].password", X: "Traversal Server TURN User [] Password", Kind: secret(), Required: true, Restart: RestartNone, Text: "Its password."},
		{Path: "turn.secrets", X: "Traversal Server TURN Secret [] Value", Kind: secret().many(64), Restart: RestartNone, Text: "Shared secrets of time-limited credentials: user `unixtime:id`, password base64(HMAC-SHA1(secret, user))."},
		{Path: "turn.media_ports.start", X: "Traversal Server TURN Media Port Start", Kind: integer(0, 65535).shown("1024–65534, even"), Default: "24000", Text: "First relay port. Keep the range out of `net.ipv4.ip_local_port_range`."},
		{Path: "turn.media_ports.end", X: "Traversal Server TURN Media Port End", Kind: integer(0, 65535).shown("1025–65535, odd"), Default: "29999", Text: "Last relay port."},
		{Path: "turn.max_relays", X: "Traversal Server TURN MaxRelays", Kind: integer(0, 65536).shown("1–65536"), Unset: "required for custom", Text: "Relay limit of platform custom; the other platforms bring their own."},
		{Path: "turn.quota_per_user", X: "Traversal Server TURN QuotaPerUser", Kind: integer(0, maxInt).shown("relays, 0: none"), Default: "0", Text: "Relays that one user may have at a time."},
		{Path: "turn.rate_kbps", X: "Traversal Server TURN Rate", Kind: integer(0, maxInt).shown("kbit/s, 0: none"), Default: "0", Text: "What each flow of a relay may send, counted as media payload."},
		{Path: "turn.connections_per_source", X: "Traversal Server TURN ConnectionsPerSource", Kind: integer(1, 1000), Default: "200", Text: "TCP and TLS connections without a relay that one address (IPv6: one /64) may have. In all there are at most 1000; then the oldest goes."},
		{Path: "turn.deny", X: "Traversal Server TURN Deny [] Prefix", Kind: one(TypePrefix).many(1024).shown("list of prefixes"), Restart: RestartNone, Text: "Addresses that nobody may relay to, besides those that are always refused (loopback, link-local, multicast, reserved, the node's own)."},
		{Path: "turn.allow_loopback", X: "Traversal Server TURN AllowLoopback", Kind: onOff(), Default: "off", Text: "Allow peers in 127.0.0.0/8. For trying things out on one machine only."},
	}
}

func dataplaneItems() []Item {
	return peer(
		Item{Path: "dataplane.mode", X: "Dataplane Mode", Kind: words("auto", "xdp=XDP", "userspace"), Default: "auto", Text: "Who relays: XDP where it can run and else the process; XDP or the node does not start; the process alone."},
		Item{Path: "dataplane.generic_xdp", X: "Dataplane GenericXDP", Kind: onOff(), Default: "off", Text: "Use generic XDP on interfaces whose driver has no native one. It is slower than it looks; off says so instead of hiding it."},
	)
}

// Ports returns the request ports: one, or six with multiplexing off on a
// platform that has them (CA-03).
func (n *Node) Ports() []uint16 {
	count := 1
	if !n.TURN.Multiplexing {
		count = n.System.Platform.Limits().RequestPorts
	}
	ports := make([]uint16, count)
	for i := range ports {
		ports[i] = n.TURN.Port + uint16(i)
	}
	return ports
}

// MaxRelays returns the relay limit of the node (CA-01).
func (n *Node) MaxRelays() int {
	if n.System.Platform == PlatformCustom {
		return n.TURN.MaxRelays
	}
	return n.System.Platform.Limits().Relays
}

// MaxPerPort returns how many relays one request port gives; 0: no limit of its own.
func (n *Node) MaxPerPort() int {
	if len(n.Ports()) == 1 {
		return 0
	}
	return relaysPerPort
}

// Passwords returns the long-term credentials by user name.
func (t TURN) Passwords() map[string]string {
	m := make(map[string]string, len(t.Users))
	for _, u := range t.Users {
		m[u.Name] = string(u.Password)
	}
	return m
}

// SharedSecrets returns the secrets that time-limited credentials are made with.
func (t TURN) SharedSecrets() []string {
	s := make([]string, len(t.Secrets))
	for i, secret := range t.Secrets {
		s[i] = string(secret)
	}
	return s
}

// DenyList returns the prefixes that nobody may relay to.
func (t TURN) DenyList() []netip.Prefix {
	p := make([]netip.Prefix, len(t.Deny))
	for i, d := range t.Deny {
		p[i] = d.Prefix
	}
	return p
}
