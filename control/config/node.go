// Package config is the node file of `turnpike serve -c`: what may stand in it,
// what it means when it does not, and errors that show the line and say what to
// write instead.
//
// It exists so that a typing error is found before the node changes anything: keys
// that nobody knows, values out of range and sections that contradict each other
// are all reported at once, each with file, line and column. Nothing in here opens a
// socket or looks at the machine; a file is right or wrong wherever it is read.
package config

import (
	"net/netip"
)

// Node is a node file. Zero values are what a file that does not name the key
// means, except where Default says otherwise.
type Node struct {
	System     System     `yaml:"system"`
	Interfaces Interfaces `yaml:"interfaces"`
	TURN       TURN       `yaml:"turn"`
	Dataplane  Dataplane  `yaml:"dataplane"`
	Admin      Admin      `yaml:"admin"`
	Log        Log        `yaml:"log"`
}

// System names the node and its size.
type System struct {
	Name     string       `yaml:"name"`
	Role     Role         `yaml:"role"`
	Platform PlatformName `yaml:"platform"`
	State    string       `yaml:"state"`
}

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

// Admin is what the node serves over TCP, on loopback only.
type Admin struct {
	Metrics Listen `yaml:"metrics"`
	Pprof   Switch `yaml:"pprof"`
}

// Log says what is logged, and where besides standard output (AL-02).
type Log struct {
	Level Level  `yaml:"level"`
	File  string `yaml:"file"`
}

// Default returns what an empty file would mean.
func Default() *Node {
	return &Node{
		System: System{Role: RoleEdge, Platform: PlatformLarge, State: "/var/lib/turnpike"},
		TURN: TURN{
			Port:         3478,
			Multiplexing: true,
			TCP:          true,
			Realm:        "turnpike",
			MediaPorts:   PortRange{Start: 24000, End: 29999},
			Connections:  200,
		},
		Dataplane: Dataplane{Mode: PathAuto},
		Admin:     Admin{Metrics: Listen{AddrPort: netip.MustParseAddrPort("127.0.0.1:9464")}, Pprof: true},
		Log:       Log{Level: "info"},
	}
}

func (t *TLS) setDefaults() { t.Port = 5349 }

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
