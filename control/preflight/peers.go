package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"turnpike.dev/turnpike/cluster/settings"
)

// FactKeys is the name under which peers tell each other their option keys for features.
const FactKeys = "option-keys"

// Self is what the others are compared with.
type Self struct {
	Name     string // system name
	Cluster  string // id of the cluster that the node belongs to; empty: none
	Settings settings.Settings
	Keys     string // for features, in one order
}

// Peer is what was found out about another entry of the list.
type Peer struct {
	Address string
	// Unreached says of each port of the peer why it could not be reached from here, Blocked of each
	// port of this node why it could not be reached from there.
	Unreached, Blocked map[uint16]string
	// UnreachedUDP and BlockedUDP say the same of the UDP port of H.323.
	UnreachedUDP, BlockedUDP map[uint16]string
	// From is the address of this node that was dialled from, Seen what the peer saw.
	From, Seen string

	// Told: it answered what follows.
	Told     bool
	Name     string
	Cluster  string
	Settings settings.Settings
	// Facts are findings that the peer made itself, by the names of the checks.
	Facts map[string]string
}

// Peers returns what is missing between this node and the others (CL-19). Only ports and what must be equal
// keep a node from joining; the rest warns.
func Peers(own Self, peers []Peer) []Finding {
	var missing []Finding
	for _, p := range peers {
		for _, look := range []func(Self, Peer) []Finding{ports, datagrams, equal, nameOnce, natBetween, keys, belongs, theirOwn} {
			missing = append(missing, look(own, p)...)
		}
	}
	return missing
}

func ports(_ Self, p Peer) (out []Finding) {
	const why = "peers speak over these ports in both directions (alarm 20021)"
	for _, port := range slices.Sorted(maps.Keys(p.Unreached)) {
		out = append(out, Finding{
			Check: "ports", Blocks: true, Why: why, What: fmt.Sprintf("port %d of %s cannot be reached from here: %s", port, p.Address, p.Unreached[port]),
			Do: fmt.Sprintf("see whether %s runs, and open TCP %d to it in the firewalls between", p.Address, port),
		})
	}
	for _, port := range slices.Sorted(maps.Keys(p.Blocked)) {
		out = append(out, Finding{
			Check: "ports", Blocks: true, Why: why, What: fmt.Sprintf("port %d of this node cannot be reached from %s: %s", port, p.Address, p.Blocked[port]),
			Do: fmt.Sprintf("open TCP %d to this node in the firewalls between", port),
		})
	}
	return out
}

// datagrams: UDP 1719 (CL-08). What peers tell each other of bandwidth goes over TLS here, so it does not keep a node
// from joining; endpoints and neighbours of H.323 need it.
func datagrams(_ Self, p Peer) (out []Finding) {
	const why = "peers locate endpoints of H.323 over it (RAS); the cluster itself does without"
	for _, port := range slices.Sorted(maps.Keys(p.UnreachedUDP)) {
		out = append(out, Finding{
			Check: "ports", Why: why, What: fmt.Sprintf("UDP port %d of %s cannot be reached from here: %s", port, p.Address, p.UnreachedUDP[port]),
			Do: fmt.Sprintf("open UDP %d to %s in the firewalls between", port, p.Address),
		})
	}
	for _, port := range slices.Sorted(maps.Keys(p.BlockedUDP)) {
		out = append(out, Finding{
			Check: "ports", Why: why, What: fmt.Sprintf("UDP port %d of this node cannot be reached from %s: %s", port, p.Address, p.BlockedUDP[port]),
			Do: fmt.Sprintf("open UDP %d to this node in the firewalls between", port),
		})
	}
	return out
}

// equal: the list and the settings, version, role and platform.
func equal(own Self, p Peer) (out []Finding) {
	if !p.Told {
		return nil
	}
	for _, d := range settings.Compare(own.Settings, p.Settings) {
		out = append(out, Finding{
			Check: "settings", Blocks: true, Why: "peers must have this in common, and each has it for itself",
			What: fmt.Sprintf("%s is %s here and %s at %s", d.Item, orNothing(d.Own), orNothing(d.Theirs), p.Address), Do: "make them equal" + howEqual(d.Item),
		})
	}
	if !settings.Speaks(own.Settings, p.Settings) {
		out = append(out, Finding{
			Check: "settings", Blocks: true, Why: "peers of versions that are far apart do not understand each other",
			What: fmt.Sprintf("%s speaks version %d of the cluster's protocol, this node %d", p.Address, p.Settings.Protocol, own.Settings.Protocol), Do: "install the same version on both",
		})
	}
	return out
}

func howEqual(item string) string {
	switch item {
	case "software":
		return ": install the same version on both"
	case "role":
		return ": a cluster has nodes of one role (`system.role`)"
	case "platform":
		return ": a cluster has nodes of one size (`system.platform`)"
	case "cluster_tls":
		return ": `turnpike config set cluster_tls MODE`"
	}
	return ", on each peer: `turnpike config set " + item + "`"
}

func nameOnce(own Self, p Peer) []Finding {
	if !p.Told || !strings.EqualFold(own.Name, p.Name) {
		return nil
	}
	return []Finding{{
		Check: "name", What: fmt.Sprintf("%s has the system name %s too", p.Address, p.Name), Why: "operators and logs tell peers apart by it",
		Do: "`turnpike config set system.name NAME` on one of them",
	}}
}

func natBetween(_ Self, p Peer) []Finding {
	if p.Seen == "" || p.Seen == p.From {
		return nil
	}
	return []Finding{{
		Check: "nat", What: fmt.Sprintf("%s sees this node as %s, not as %s", p.Address, p.Seen, p.From), Why: "peers recognise each other by address, which a NAT changes",
		Do: "take the NAT between them away, or use interfaces without it",
	}}
}

func keys(own Self, p Peer) []Finding {
	theirs, ok := p.Facts[FactKeys]
	if !ok || theirs == own.Keys {
		return nil
	}
	return []Finding{{
		Check: FactKeys, What: fmt.Sprintf("option keys for features: %s here, %s at %s", orNothing(own.Keys), orNothing(theirs), p.Address),
		Why: "a peer without the key does not do what the others do", Do: "install the same feature keys on each peer: `turnpike licence list`",
	}}
}

func belongs(own Self, p Peer) []Finding {
	if p.Cluster == "" || own.Cluster == "" || p.Cluster == own.Cluster {
		return nil
	}
	return []Finding{{
		Check: "cluster", What: fmt.Sprintf("%s belongs to another cluster (%s)", p.Address, p.Cluster), Why: "a node is in one cluster",
		Do: "let it leave that one first: `turnpike cluster leave` there",
	}}
}

// theirOwn: what the peer itself lacks.
func theirOwn(_ Self, p Peer) (out []Finding) {
	for _, name := range slices.Sorted(maps.Keys(p.Facts)) {
		if name != FactKeys && p.Facts[name] != "" {
			out = append(out, Finding{Check: name, What: p.Address + ": " + p.Facts[name], Why: "the peer found it itself", Do: "`turnpike cluster check` there says what to do"})
		}
	}
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
