package api

import (
	"time"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/relay"
)

// State is how far a node is.
type State string

// States.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Stopping State = "stopping"
)

// Status is what `turnpike status` shows.
type Status struct {
	Version    string      `json:"version"`
	ID         string      `json:"id"` // made at the first start of a state directory
	Name       string      `json:"name"`
	Role       string      `json:"role"`
	Platform   string      `json:"platform"`
	File       string      `json:"file"` // that was read at the start
	State      State       `json:"state"`
	PID        int         `json:"pid"`
	Started    time.Time   `json:"started"`
	Uptime     float64     `json:"uptime_seconds"`
	Path       string      `json:"path"` // xdp, userspace or mixed
	Interfaces []Interface `json:"interfaces"`
	TURN       TURN        `json:"turn"`
	Relays     Usage       `json:"relays"`
	// SIP is where SIP is spoken: "tls 192.0.2.1:5061"; none where it is off.
	SIP   []string `json:"sip,omitempty"`
	Calls Usage    `json:"calls"`
	// Registrations are those of this node, without proxied ones.
	Registrations Usage  `json:"registrations"`
	Draining      bool   `json:"draining"`
	Metrics       string `json:"metrics"` // address, or why not
	// Cluster says in a line how the cluster is; empty: the node is standalone.
	Cluster string `json:"cluster,omitempty"`
	// HTTPS is where accounts administer; none where that is off.
	HTTPS []string `json:"https,omitempty"`
	// Degraded lists what does not work as configured; empty: all is well.
	Degraded []string `json:"degraded"`
	// Alarms are those that stand and no other explains, the worst first.
	Alarms []alarms.Alarm `json:"alarms,omitempty"`
	// Notes lists what an operator should know and chose.
	Notes []string `json:"notes,omitempty"`
}

// Interface is one of the node's interfaces and who relays on it (ME-03).
type Interface struct {
	Name      string   `json:"name"`
	Side      string   `json:"side"` // internal or external
	Addresses []string `json:"addresses"`
	Path      string   `json:"path"`
	Mode      string   `json:"mode,omitempty"` // native or generic
	Driver    string   `json:"driver,omitempty"`
	MTU       int      `json:"mtu,omitempty"`
	VLAN      int      `json:"vlan,omitempty"`
	Under     string   `json:"under,omitempty"`  // a VLAN's: the interface that its frames go by
	Reason    string   `json:"reason,omitempty"` // why not XDP, or what else to know
}

// TURN is where the TURN server listens and relays.
type TURN struct {
	Mode   string         `json:"mode"`
	Realm  string         `json:"realm,omitempty"`
	Listen []string       `json:"listen,omitempty"` // "udp 192.0.2.1:3478"
	Relay  []RelayAddress `json:"relay,omitempty"`
}

// RelayAddress is an address that relays are on.
type RelayAddress struct {
	Local  string `json:"local"`
	Public string `json:"public"` // what clients are told
}

// Usage is how much of a limit is used.
type Usage struct {
	Used  int `json:"used"`
	Limit int `json:"limit"`
}

// Relay is one TURN allocation with what it relays.
type Relay struct {
	ID          uint64       `json:"id"`
	User        string       `json:"user"`
	Transport   string       `json:"transport"` // udp, tcp or tls
	Client      string       `json:"client"`
	Server      string       `json:"server"`
	Relay       []string     `json:"relay"`  // our addresses
	Public      []string     `json:"public"` // what the client was told
	Path        string       `json:"path"`   // xdp, userspace, mixed; none without a channel
	Reason      string       `json:"reason,omitempty"`
	Expires     time.Time    `json:"expires"`
	Permissions []Permission `json:"permissions"`
	Channels    []Channel    `json:"channels"`
}

// Permission lets a peer send to a relay until it expires.
type Permission struct {
	Peer    string    `json:"peer"`
	Expires time.Time `json:"expires"`
}

// Channel is a relayed stream of an allocation: a pair of flows. Up is from the
// client to the peer.
type Channel struct {
	Number  uint16          `json:"number"`
	Peer    string          `json:"peer"`
	Expires time.Time       `json:"expires"`
	Up      relay.FlowStats `json:"up"`
	Down    relay.FlowStats `json:"down"`
}

// Packets returns what went through the relay's channels, up and down.
func (r Relay) Packets() (up, down uint64) {
	for _, c := range r.Channels {
		up, down = up+c.Up.Packets, down+c.Down.Packets
	}
	return up, down
}

// Dataplane is the state of the data path.
type Dataplane struct {
	Path       string      `json:"path"`
	Interfaces []Interface `json:"interfaces"`
	Program    *Program    `json:"program,omitempty"` // none without XDP
	Pins       string      `json:"pins,omitempty"`    // directory
	Maps       []Map       `json:"maps"`
	Flows      Flows       `json:"flows"`
}

// Program is the XDP program that runs.
type Program struct {
	ID   uint32 `json:"id"`
	Tag  string `json:"tag"`
	Name string `json:"name"`
}

// Map is how full a kernel map is.
type Map struct {
	Name     string `json:"name"`
	Entries  int    `json:"entries"`
	Capacity int    `json:"capacity"`
}

// Flows counts the flows by who relays them.
type Flows struct {
	XDP       int `json:"xdp"`
	Userspace int `json:"userspace"`
	// Strays were found in the kernel without an owner; it must be zero.
	Strays uint64 `json:"strays"`
}

// Reason is how many packets left the relay for one reason.
type Reason struct {
	Reason  string `json:"reason"`
	Verdict string `json:"verdict"` // forward, pass or drop
	Path    string `json:"path"`    // xdp, userspace, or machine for what was lost outside the relay
	Packets uint64 `json:"packets"`
	Text    string `json:"text"`
	// Interface is set where a loss of the machine is one interface's.
	Interface string `json:"interface,omitempty"`
}

// Reload is what re-reading the node file changed.
type Reload struct {
	Applied      []config.Change `json:"applied"`
	NeedsRestart []config.Change `json:"needs_restart"`
	// Ignored says what of the file is not in force and why; empty: nothing.
	Ignored string `json:"ignored,omitempty"`
}
