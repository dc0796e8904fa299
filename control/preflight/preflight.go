// Package preflight looks whether a node is ready to join a cluster (CL-19): what is
// missing, why a cluster wants it, and what to do.
//
// It exists because a cluster that forms half way is hard to take apart. Check is what a
// node can tell alone; Peers is what needs the others: are the ports reachable, is the
// software the same, does another node have the same name. The checks are pure: gathering
// the facts is the caller's.
package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"turnpike.dev/turnpike/control/config"
)

// Interface is a network interface as the system has it.
type Interface struct {
	Name      string
	Up        bool
	SpeedMbps int // 0: the driver does not tell, as for virtual ones
	Addresses []netip.Prefix
	Gateway   bool // a route to everywhere leaves by it
}

// Facts is what a node knows of itself.
type Facts struct {
	Config *config.Node
	// Reset: the configuration holds only what the node file put there.
	Reset bool
	// Member: the node runs as a peer already, and is asked how it does.
	Member       bool
	KeyAlarm     bool // 40055 stands
	ClockInStep  bool // the kernel's clock is synchronised
	Interfaces   []Interface
	SystemDNS    []netip.Addr // the machine's, where the node names none
	OwnAddresses []netip.Addr
}

// Finding is one thing that is missing.
type Finding struct {
	Check string `json:"check"` // stable name
	What  string `json:"what"`
	Why   string `json:"why"`
	Do    string `json:"do"`
	// Blocks: the node cannot join until it is mended; the rest warns.
	Blocks bool `json:"blocks"`
}

// check is one row of CL-19.
type check struct {
	name string
	why  string
	look func(Facts) (what, do string) // empty: nothing is missing
}

// Names returns the names of the checks, in their order.
func Names() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// Check returns what is missing before a node may join a cluster.
func Check(f Facts) []Finding {
	missing := []Finding{}
	for _, c := range checks {
		if what, do := c.look(f); what != "" {
			missing = append(missing, Finding{Check: c.name, What: what, Why: c.why, Do: do})
		}
	}
	return missing
}

var checks = []check{
	{"reset", "a node that joins takes the primary's configuration; its own is deleted", standalone},
	{"system-key", "peers share secrets that are sealed by this key", systemKey},
	{"host-name", "certificates and address mappings carry the node's name", hostName},
	{"dns", "peers are looked up by name", dns},
	{"clock", "leases, certificates and logs of peers are compared by time", clock},
	{"h323", "peers tell each other their use of bandwidth by RAS", h323},
	{"signalling-optimisation", "without it calls between peers hold a licence on each", optimisation},
	{"interface", "peers need a way to each other that does not change", clustering},
	{"nat", "peers recognise each other by address, which a NAT changes", nat},
	{"zones", "peers of one cluster must not be neighbours (RG-07)", zones},
}

func standalone(f Facts) (what, do string) {
	if f.Member {
		return "", ""
	}
	if n := len(f.Config.Cluster.Peers); n > 1 {
		return fmt.Sprintf("the node is a member of a cluster of %d", n), "leave it first"
	}
	if !f.Reset {
		return "the node has a configuration of its own", "make a backup, then `turnpike factory-reset --confirm " + f.Config.System.Name + "`"
	}
	return "", ""
}

func systemKey(f Facts) (what, do string) {
	if f.KeyAlarm {
		return "alarm 40055 stands: the system key could not be renewed", "`turnpike xcommand ForceSystemKeyUpdate`"
	}
	return "", ""
}

func hostName(f Facts) (what, do string) {
	switch s := f.Config.System; {
	case s.HostName == "":
		return "system.host_name is not set", "set it to a name that no other peer has"
	case s.Domain == "":
		return "system.domain is not set", "set it to the domain of the peers"
	}
	return "", ""
}

func dns(f Facts) (what, do string) {
	if len(f.Config.DNS.Servers) == 0 && len(f.SystemDNS) == 0 {
		return "no DNS server is known", "set dns.servers"
	}
	return "", ""
}

func clock(f Facts) (what, do string) {
	if !f.ClockInStep {
		return "the kernel's clock is not synchronised", "run chrony or another time service with the servers of ntp.servers, the same on all peers"
	}
	return "", ""
}

func h323(f Facts) (what, do string) {
	if !f.Config.H323.Mode {
		return "h323.mode is off", "`turnpike config set h323.mode on`"
	}
	return "", ""
}

func optimisation(f Facts) (what, do string) {
	if f.Config.Calls.RoutedMode != config.RoutedOptimal {
		return "calls.routed_mode is " + string(f.Config.Calls.RoutedMode), "`turnpike config set calls.routed_mode optimal`"
	}
	return "", ""
}

// clusterInterface is the one that peers are reached by: the internal of two, or the
// only one.
func clusterInterface(f Facts) (name string, found *Interface) {
	name = f.Config.Interfaces.Relay()
	if f.Config.Interfaces.Internal != nil {
		name = f.Config.Interfaces.Internal.Name
	}
	for i := range f.Interfaces {
		if f.Interfaces[i].Name == name {
			return name, &f.Interfaces[i]
		}
	}
	return name, nil
}

func clustering(f Facts) (what, do string) {
	name, i := clusterInterface(f)
	switch {
	case name == "":
		return "no interface is configured", "set interfaces.internal or interfaces.external"
	case i == nil:
		return "there is no interface " + name, "name one that `ip link` shows"
	case !i.Up:
		return name + " is down", "ip link set " + name + " up"
	case !slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return version(f, p.Addr()) && routable(p.Addr()) }):
		return fmt.Sprintf("%s has no address of %s that others can reach", name, f.Config.Cluster.IP), "give it one, or set cluster.ip"
	case !i.Gateway && f.Config.Interfaces.Internal == nil:
		return name + " has no gateway", "add a default route"
	case i.SpeedMbps != 0 && i.SpeedMbps < 100:
		return fmt.Sprintf("%s runs at %d Mbit/s", name, i.SpeedMbps), "see `ethtool " + name + "`: cable, port and negotiation"
	}
	return "", ""
}

func version(f Facts, a netip.Addr) bool { return a.Is4() == (f.Config.Cluster.IP != config.IPv6) }

func routable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified()
}

// nat: with two interfaces peers meet on the internal one, which has none.
func nat(f Facts) (what, do string) {
	if e := f.Config.Interfaces.External; f.Config.Interfaces.Internal == nil && e != nil && e.StaticNAT.IsValid() {
		return "the only interface has a static NAT address", "add an internal interface for the cluster, or take the NAT away"
	}
	return "", ""
}

func zones(f Facts) (what, do string) {
	for _, z := range f.Config.Zones {
		for _, p := range z.Peers {
			if slices.ContainsFunc(f.Config.Cluster.Peers, func(peer string) bool { return strings.EqualFold(peer, p.Host) }) || own(f, p.Host) {
				return fmt.Sprintf("zone %s has %s, which is a peer of this cluster", z.Name, p.Host), "take it out of the zone"
			}
		}
	}
	return "", ""
}

func own(f Facts, host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && slices.Contains(f.OwnAddresses, a)
}
