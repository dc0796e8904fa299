package clustering

import (
	"fmt"
	"net/netip"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// Record is one that DNS should have for the cluster (CL-23).
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // SRV, A or AAAA
	Value string `json:"value"`
	// Text says who asks for it.
	Text string `json:"text"`
}

// String returns the record as a line of a zone file.
func (r Record) String() string {
	return fmt.Sprintf("%s. 300 IN %s %s", r.Name, r.Type, r.Value)
}

// Plan is what DNS should have, and what keeps it from being complete.
type Plan struct {
	Records []Record `json:"records"`
	// Lacking says what of the configuration is missing for further records.
	Lacking []string `json:"lacking,omitempty"`
}

// service is one that endpoints look for under the cluster's name.
type service struct {
	label string
	port  uint16 // 0: it is off
	text  string
}

// Equal shares: endpoints spread over the peers, and go to another one when theirs is gone.
const srvPriority, srvWeight = 10, 10

// PlanDNS returns the records that should exist for the cluster's name: for each service one SRV record for each
// peer, all alike, the peers' own addresses, and the cluster's name with all addresses for endpoints that know no SRV
// (round robin). Where a peer is listed by its address, its system name in the node's domain stands for it.
func PlanDNS(n *config.Node, st Status) Plan {
	var p Plan
	name := strings.TrimSuffix(n.Cluster.Name, ".")
	switch {
	case name == "":
		p.Lacking = append(p.Lacking, "the cluster has no name: set cluster.name")
	case !strings.Contains(name, "."):
		p.Lacking = append(p.Lacking, fmt.Sprintf("the cluster's name %q has no domain: DNS needs an FQDN", name))
	}
	hosts := make([]host, 0, len(st.Peers))
	for _, peer := range st.Peers {
		h, lacking := hostOf(n, peer)
		if lacking != "" {
			p.Lacking = append(p.Lacking, lacking)
		}
		hosts = append(hosts, h)
	}
	if name != "" && strings.Contains(name, ".") {
		p.services(n, name, hosts)
	}
	for _, h := range hosts {
		if h.name != "" && h.addr.IsValid() {
			p.address(h.name, h.addr, "the peer itself")
		}
	}
	return p
}

func (p *Plan) services(n *config.Node, name string, hosts []host) {
	for _, s := range services(n) {
		for _, h := range hosts {
			if s.port != 0 && h.name != "" {
				p.Records = append(p.Records, Record{
					Name: s.label + "." + name, Type: "SRV",
					Value: fmt.Sprintf("%d %d %d %s.", srvPriority, srvWeight, s.port, h.name), Text: s.text,
				})
			}
		}
	}
	for _, h := range hosts {
		if h.addr.IsValid() {
			p.address(name, h.addr, "round robin for endpoints that know no SRV")
		}
	}
}

func (p *Plan) address(name string, a netip.Addr, text string) {
	kind := "A"
	if a.Is6() {
		kind = "AAAA"
	}
	p.Records = append(p.Records, Record{Name: name, Type: kind, Value: a.String(), Text: text})
}

// services returns what the configuration has on.
func services(n *config.Node) []service {
	only := func(on config.Switch, port uint16) uint16 {
		if !on {
			return 0
		}
		return port
	}
	turns := uint16(0)
	if n.TURN.TLS != nil {
		turns = only(n.TURN.Mode, n.TURN.TLS.Port)
	}
	return []service{
		{"_sips._tcp", only(n.SIP.Mode, uint16(n.SIP.TLS)), "SIP over TLS"},
		{"_sip._tcp", only(n.SIP.Mode, uint16(n.SIP.TCP)), "SIP over TCP"},
		{"_sip._udp", only(n.SIP.Mode, uint16(n.SIP.UDP)), "SIP over UDP"},
		{"_h323ls._udp", only(n.H323.Mode, n.H323.RASPort), "H.323 location"},
		{"_h323cs._tcp", only(n.H323.Mode, n.H323.CallPort), "H.323 call signalling"},
		{"_turn._udp", only(n.TURN.Mode, n.TURN.Port), "TURN over UDP"},
		{"_turn._tcp", only(n.TURN.Mode && n.TURN.TCP, n.TURN.Port), "TURN over TCP"},
		{"_turns._tcp", turns, "TURN over TLS"},
	}
}

// host is a peer as DNS should know it.
type host struct {
	name string // empty: none can be told
	addr netip.Addr
}

func hostOf(n *config.Node, p Peer) (host, string) {
	at, err := netip.ParseAddr(p.Address)
	if err != nil { // a name
		resolved, _ := netip.ParseAddr(p.Resolved)
		h := host{name: strings.TrimSuffix(p.Address, "."), addr: resolved}
		if !resolved.IsValid() {
			return h, fmt.Sprintf("the address of %s is not known: it could not be resolved", p.Address)
		}
		return h, ""
	}
	h := host{addr: at}
	if p.Name == "" || n.System.Domain == "" {
		return h, fmt.Sprintf("%s is listed by its address: SRV records need its FQDN in the list, or its system name and system.domain", p.Address)
	}
	h.name = strings.ToLower(p.Name) + "." + n.System.Domain
	return h, ""
}
