// Package clustering is the operator's side of a cluster: what its state looks like, what a
// procedure of the guide does next, and what DNS should say of it.
//
// It exists because peers are set up, restarted and taken away one at a time, by people,
// and a step that is done too early leaves a cluster that half works. What is here is plain
// data and functions of it: the cluster's parts (cluster/…) know nothing of operators, and the commands and
// the API show and do what this package says.
package clustering

import (
	"fmt"
	"strings"
	"time"
)

// Modes of a node.
const (
	// Standalone: the process runs without peers, whatever the configuration says.
	Standalone = "standalone"
	// Clustered: it runs as a peer, of a cluster of one at least.
	Clustered = "clustered"
)

// Words of a peer's state (facts A7.3). An active peer's begins with Active.
const (
	ThisSystem = "This system"
	Unknown    = "Unknown"
	Failed     = "Failed"
	active     = "Active"
)

// DatabaseActive is the state of a database that works; anything else says what is wrong.
const DatabaseActive = "Active"

// CertificateValid is the state of a certificate that would be accepted in the mode enforce; anything else says why not.
const CertificateValid = "Valid"

// Status is all that an operator sees of a cluster, as this node sees it (CL-17).
type Status struct {
	Mode string `json:"mode"` // standalone or clustered: what runs
	Name string `json:"name"` // of the cluster
	// ClusterID is of the cluster that this node has properly joined; empty: none (CL-02).
	ClusterID string `json:"cluster_id"`
	IP        string `json:"ip"`  // version between peers: ipv4 or ipv6
	Own       int    `json:"own"` // this node's place in the list, from 1; 0: it is not in it
	// Primary is the place of the peer that the configuration names.
	Primary int `json:"primary"`
	// Acting is the place of the peer that authors the configuration now; 0: none is known.
	Acting int `json:"acting_primary"`
	TLS    TLS `json:"tls"`
	// Database is that of what peers agree on (members, shares): Active, or what is wrong with it.
	Database string `json:"database"`
	// Synchronisation says how the last comparison of this node's configuration ended.
	Synchronisation string     `json:"synchronisation"`
	LastSync        *time.Time `json:"last_synchronisation,omitempty"`
	NextSync        *time.Time `json:"next_synchronisation,omitempty"`
	// RestartRequired lists what of the settings waits for a restart of this node (20007, 20020).
	RestartRequired []string `json:"restart_required,omitempty"`
	// ResetArmed: the list of peers was cleared, and the next restart is a factory reset (CL-14).
	ResetArmed bool `json:"reset_armed"`
	// Banner says so in words, with the list that disarms it; empty: no reset is armed.
	Banner string `json:"banner,omitempty"`
	// Peers are in the order of the list.
	Peers []Peer `json:"peers"`
}

// TLS is whether peers check each other's certificates: permissive or enforce (CL-06).
type TLS struct {
	Configured string `json:"configured"`
	Active     string `json:"active"`
}

// Peer is a line of the list.
type Peer struct {
	Index   int    `json:"index"` // from 1
	Address string `json:"address"`
	// State is This system, Unknown, Failed, or Active as NAME, with what its name resolved to.
	State string `json:"state"`
	// Certificate is Valid, Invalid (why), or empty while it was not seen.
	Certificate string `json:"certificate"`
	// Why says why it is not active.
	Why string `json:"why,omitempty"`

	// Generation, Revision and Digest are of the replicated configuration that the peer has in force: none of
	// a peer's own items (†) is in the digest, so that equal ones are equal.
	Generation uint64 `json:"generation"`
	Revision   uint64 `json:"revision"`
	Digest     string `json:"digest"`
	// RTT is the time to the peer and back, in milliseconds; 0: not known, or this node.
	RTT float64 `json:"rtt"`

	ID          string `json:"id"` // of the node; empty: it was never heard
	Name        string `json:"name"`
	Resolved    string `json:"resolved"` // address that Address stands for
	Version     string `json:"version"`
	Primary     bool   `json:"primary"` // it authors the configuration now
	Joined      bool   `json:"joined"`  // it has the cluster's id (CL-02)
	Maintenance bool   `json:"maintenance"`
	// Database is the state of this peer's rows here: Active, or what is wrong.
	Database string     `json:"database"`
	LastSync *time.Time `json:"last_synchronisation,omitempty"`
	NextSync *time.Time `json:"next_synchronisation,omitempty"`
	// Incarnation is greater after each start of the peer's process.
	Incarnation uint64 `json:"incarnation"`
}

// Own reports whether the peer is this node.
func (p Peer) Own() bool { return p.State == ThisSystem }

// Active reports whether the peer is there, as seen from this node; this node itself is.
func (p Peer) Active() bool { return p.Own() || strings.HasPrefix(p.State, active) }

// Self returns this node's own line; nil: it is not in the list.
func (s Status) Self() *Peer {
	for i := range s.Peers {
		if s.Peers[i].Own() {
			return &s.Peers[i]
		}
	}
	return nil
}

// Settled reports whether all peers are there, have properly joined and have the same configuration; if not,
// why says what is missing, in the order of the list.
func (s Status) Settled() (ok bool, why []string) {
	if s.Mode != Clustered {
		return false, []string{"this node runs standalone"}
	}
	own := s.Self()
	if own == nil {
		return false, []string{"this node is not in its own list of peers"}
	}
	for _, p := range s.Peers {
		switch {
		case !p.Active():
			why = append(why, p.Address+" is "+p.State+because(p.Why))
		case !p.Joined:
			why = append(why, p.Address+" has not joined yet")
		case p.Digest == "" || p.Digest != own.Digest:
			why = append(why, p.Address+" has another configuration")
		}
	}
	if s.Acting == 0 {
		why = append(why, "no peer acts as the primary")
	}
	return len(why) == 0, why
}

// Brief says in a line how the cluster is; empty for a node that is in none.
func (s Status) Brief() string {
	if s.Mode != Clustered {
		return ""
	}
	active := 0
	for _, p := range s.Peers {
		if p.Active() && p.Joined {
			active++
		}
	}
	primary := "no primary acts"
	if s.Acting != 0 {
		primary = fmt.Sprintf("primary %d (%s)", s.Acting, s.Peers[s.Acting-1].Address)
	}
	return fmt.Sprintf("%s: %d of %d peers active, %s, database %s", s.Name, active, len(s.Peers), primary, s.Database)
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
