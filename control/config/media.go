package config

import (
	"fmt"
	"path/filepath"
)

// Media is the media of calls that the node relays (ME-02).
type Media struct {
	Ports PortRange `yaml:"ports"`
}

// MediaMode says whether the node relays the media of calls with a zone or subzone.
type MediaMode string

// Media modes.
const (
	MediaAuto   MediaMode = "auto"  // where facts A2.3 make a call traversal
	MediaRelay  MediaMode = "relay" // always
	MediaDirect MediaMode = "direct"
)

// ReferMode says what becomes of a REFER within a call.
type ReferMode string

// Refer modes.
const (
	ReferPass   ReferMode = "pass"
	ReferRefuse ReferMode = "refuse"
)

func mediaItems() []Item {
	return []Item{
		{Path: "media.ports.start", X: "Traversal Media Port Start", Kind: integer(0, 65535).shown("1024–65532, even"), Default: "36000", Text: "First port of the media of calls. Keep the range out of `net.ipv4.ip_local_port_range`."},
		{Path: "media.ports.end", X: "Traversal Media Port End", Kind: integer(0, 65535).shown("1025–65533, odd"), Default: "59999", Text: "Last port of the media of calls. A stream takes a pair on each side of a call."},
	}
}

func mediaMode(path, x string) Item {
	return Item{Path: path, X: x, Kind: words("auto", "relay", "direct"), Default: "auto", Restart: RestartNone, Text: "Whether the node relays the media of calls from and to here: where it has to (two interfaces, IPv4 and IPv6, a traversal zone, NAT); always; only where the ends could not reach each other at all (two interfaces, IPv4 and IPv6, a traversal zone). Relay at one end counts more than direct at the other."}
}

func natMode(path, x, fallback string) Item {
	return Item{Path: path, X: x, Kind: onOff(), Default: fallback, Restart: RestartNone, Text: "As `zones[].nat`, for whoever is here."}
}

// ReferFrom says what becomes of a REFER from a zone of the list; of the others it is
// what sip.refer says.
func (n *Node) ReferFrom(zone string) ReferMode {
	for _, z := range n.Zones {
		if z.Name == zone && z.SIP.Refer != "" {
			return z.SIP.Refer
		}
	}
	return n.SIP.Refer
}

// MaxRegistrations returns how many registrations the node takes (CA-01).
func (n *Node) MaxRegistrations() int {
	if n.System.Platform == PlatformCustom && n.Registrations.Max > 0 {
		return n.Registrations.Max
	}
	return n.System.Platform.Limits().Registrations
}

// MaxCalls returns how many calls the node carries (CA-01): those of the platform if all
// are audio, of which a call with video uses more than one.
func (n *Node) MaxCalls() int {
	if n.System.Platform == PlatformCustom && n.Calls.Max > 0 {
		return n.Calls.Max
	}
	return n.System.Platform.Limits().AudioCalls
}

// RecordsFile returns the file of call records; empty when there is none.
func (n *Node) RecordsFile() string {
	switch n.Calls.Records {
	case "off":
		return ""
	case "":
		return filepath.Join(n.System.State, "calls.jsonl")
	default:
		return n.Calls.Records
	}
}

// media checks the ports of calls against themselves and those of TURN.
func (c checker) media() {
	c.pairs("media.ports", c.n.Media.Ports, 65533)
	m, t := c.n.Media.Ports, c.n.TURN
	if t.Mode && c.n.SIP.Mode && m.Start <= t.MediaPorts.End && t.MediaPorts.Start <= m.End {
		c.wrong("media.ports.start", fmt.Sprintf("media.ports %d to %d and turn.media_ports %d to %d overlap", m.Start, m.End, t.MediaPorts.Start, t.MediaPorts.End),
			"keep calls and relays apart")
	}
	for _, p := range c.n.SIP.ports() {
		if p >= m.Start && p <= m.End {
			c.wrong("media.ports.start", fmt.Sprintf("port %d of SIP lies in media.ports %d to %d", p, m.Start, m.End), "keep signalling and media apart")
		}
	}
	if f := c.n.Calls.Records; f != "" && f != "off" && !filepath.IsAbs(f) {
		c.wrong("calls.records", "calls.records is not an absolute path", "write for example /var/log/turnpike/calls.jsonl, or off")
	}
	if s := c.n.SIP.MediaTimeout; s > 0 && s < 10 {
		c.wrong("sip.media_timeout", fmt.Sprintf("sip.media_timeout cannot be %d", s), "write 10 to 86400, or 0 for never")
	}
}

// ports are those that SIP listens on.
func (s SIP) ports() []uint16 {
	if !s.Mode {
		return nil
	}
	var out []uint16
	for _, p := range []Port{s.UDP, s.TCP, s.TLS} {
		if p != 0 {
			out = append(out, uint16(p))
		}
	}
	return out
}

// pairs checks a range of ports of which RTP has the even ones.
func (c checker) pairs(path string, m PortRange, last uint16) {
	switch {
	case m.Start < 1024 || m.Start >= m.End || m.End > last:
		c.wrong(path+".start", fmt.Sprintf("%s %d to %d is no range", path, m.Start, m.End),
			fmt.Sprintf("want start from 1024, below end, and end up to %d", last))
	case m.Start%2 != 0:
		c.wrong(path+".start", fmt.Sprintf("%s.start is odd: %d", path, m.Start),
			fmt.Sprintf("RTP has the even port of a pair; write %d", m.Start+1))
	case m.End%2 == 0:
		c.wrong(path+".end", fmt.Sprintf("%s.end is even: %d", path, m.End),
			fmt.Sprintf("RTCP has the odd port of a pair; write %d", m.End-1))
	}
}
