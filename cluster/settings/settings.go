// Package settings compares what peers must have in common and each has for itself.
//
// It exists because these items are not replicated (PS): every operator sets them on every peer, and a
// cluster in which they differ half works. So each peer says its own with its heartbeats, and each
// other tells which item differs, and at whom (CL-01, CL-10, CL-21).
package settings

import (
	"slices"
	"strconv"
	"strings"
)

// Settings are a peer's own.
type Settings struct {
	Name     string // of the cluster
	Primary  int    // index into Peers, from 1
	IP       string
	TLS      string // the mode that is configured
	Peers    []string
	Role     string // core or edge
	Platform string // its size
	Software string
	// Protocol is the version of what peers say to each other.
	Protocol int
}

// Difference is an item that is not what it is on another peer.
type Difference struct {
	Number      int    // of the alarm (facts A5)
	Item        string // as configuration and guide name it
	Own, Theirs string
}

// Compare returns what differs between this node and a peer, in a fixed order.
func Compare(own, theirs Settings) []Difference {
	var out []Difference
	add := func(number int, item, a, b string) {
		if a != b {
			out = append(out, Difference{number, item, a, b})
		}
	}
	add(20012, "cluster.name", strings.ToLower(own.Name), strings.ToLower(theirs.Name)) // FQDNs know no case
	add(20017, "cluster.primary", strconv.Itoa(own.Primary), strconv.Itoa(theirs.Primary))
	add(20012, "cluster.ip", own.IP, theirs.IP)
	add(20012, "cluster_tls", own.TLS, theirs.TLS)
	if !slices.EqualFunc(own.Peers, theirs.Peers, strings.EqualFold) {
		add(20012, "cluster.peers", list(own.Peers), list(theirs.Peers))
	}
	add(20012, "role", own.Role, theirs.Role)
	add(20012, "platform", own.Platform, theirs.Platform)
	add(20008, "software", own.Software, theirs.Software)
	return out
}

func list(peers []string) string { return strings.Join(peers, ", ") }

// Speaks says whether rows, ledger and heartbeats run between two peers: neighbouring
// protocols understand each other, so that an upgrade goes peer by peer (OP-03).
func Speaks(own, theirs Settings) bool {
	return own.Protocol-theirs.Protocol <= 1 && theirs.Protocol-own.Protocol <= 1
}
