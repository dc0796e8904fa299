// Package sharing is what the peers of a cluster share out between them, as operators see it: licences, bandwidth and
// capacity, what each peer may use of them, and how that is counted now.
//
// It exists because three parts know a piece each: cluster/ledger who was granted what, control/pooling what is used of it,
// control/resources what was refused. Licences, bandwidth, xStatus and metrics show the same pieces, in one set of types
// and in the same words (LI-01, BW-04; docs/cluster.md).
package sharing

import (
	"fmt"
	"strings"
	"time"
)

// Policies say what becomes of the share of a peer that is lost.
const (
	PolicyAlone     = "alone"     // this node shares it with nobody
	PolicyAvailable = "available" // it is used by the others
	PolicyStrict    = "strict"    // it stays reserved
)

// States of the whole, and of one thing that is shared.
const (
	StateAlone  = "alone"    // this node belongs to no cluster
	StateShared = "shared"   // one table for all peers
	StateWaits  = "starting" // this node waits for its first share, and admits nothing of it
	StateApart  = "apart"    // nobody leads the agreement: this side counts for itself
	StateOver   = "over"     // more is granted than there is: nothing grows until enough has ended
)

// Status is how a node counts what is shared.
type Status struct {
	State string `json:"state" enum:"alone,shared,starting,apart" doc:"apart: nobody leads the agreement, and this side counts for itself what is of policy available."`
	// Since is when this side began to count for itself.
	Since      *time.Time `json:"since,omitempty" doc:"Since when this side counts for itself."`
	NotReached []string   `json:"not_reached,omitempty" doc:"Peers that are not reached: where they run, they may count for themselves."`
	Waited     Waited     `json:"waited" doc:"Calls and registrations that waited for what other peers had idle, since the node's start."`
}

// Waited is how requests waited for a share of another peer.
type Waited struct {
	Requests uint64  `json:"requests"`
	InVain   uint64  `json:"in_vain" doc:"There was no more, or it did not come in time."`
	Seconds  float64 `json:"seconds" doc:"All of them together."`
}

// Part is some of what there is: of a node, or of all peers together.
type Part struct {
	Total   float64 `json:"total" doc:"Of a node: what it brings or, of bandwidth and capacity, may have at most. Of the cluster: all there is."`
	Granted float64 `json:"granted" doc:"What may be used there now. More is given when it is wanted, if there is more."`
	Used    float64 `json:"used"`
	// Measured is of bandwidth, and of this node alone: what is not measured is not told to peers.
	Measured *float64 `json:"measured,omitempty" doc:"What the calls of this node send, as far as their media passes it."`
}

// Holder is a peer that has some.
type Holder struct {
	Peer    string  `json:"peer" doc:"Its name, or its entry in the list where it was never heard."`
	Own     bool    `json:"own,omitempty" doc:"The node that was asked."`
	Away    bool    `json:"not_reached,omitempty"`
	Granted float64 `json:"granted"`
	Used    float64 `json:"used"`
	Waiting bool    `json:"waiting,omitempty" doc:"It waits for more."`
	// Since is when it began to wait.
	Since *time.Time `json:"waiting_since,omitempty" doc:"Since when it waits."`
}

// Share is how one thing is shared out. It stands among the fields of what it is of; what has no limit has none of it.
type Share struct {
	Policy  string   `json:"policy" required:"false" enum:"available,strict,alone" doc:"What becomes of a lost peer's share: the others use it, or it stays reserved. alone: this node shares it with nobody."`
	State   string   `json:"state" required:"false" enum:"alone,shared,starting,apart,over" doc:"over: more is granted than there is, and nothing grows until enough has ended."`
	Here    Part     `json:"here" required:"false"`
	Cluster Part     `json:"cluster" required:"false"`
	Peers   []Holder `json:"peers,omitempty" doc:"Who holds some."`
	Waiting int      `json:"waiting" required:"false" doc:"Calls and registrations that wait here for some of it."`
}

// Alone is the share of a node that has all for itself.
func Alone(total, used float64) Share {
	all := Part{Total: total, Granted: total, Used: used}
	return Share{Policy: PolicyAlone, State: StateAlone, Here: all, Cluster: all}
}

// In returns the share in larger units, each so many of its own: licences, which are counted in halves.
func (s Share) In(unit float64) Share {
	s.Here, s.Cluster = s.Here.in(unit), s.Cluster.in(unit)
	peers := make([]Holder, len(s.Peers))
	for i, h := range s.Peers {
		h.Granted, h.Used = h.Granted/unit, h.Used/unit
		peers[i] = h
	}
	s.Peers = peers
	return s
}

func (p Part) in(unit float64) Part {
	return Part{Total: p.Total / unit, Granted: p.Granted / unit, Used: p.Used / unit}
}

// Shared reports whether others have a part in it.
func (s Share) Shared() bool { return s.Policy != "" && s.Policy != PolicyAlone }

// Full reports whether all there is is in use.
func (s Share) Full() bool { return s.Cluster.Total > 0 && s.Cluster.Used >= s.Cluster.Total }

// Text says how a node counts, for people; more than one line may be needed.
func (s Status) Text() string {
	switch s.State {
	case StateShared:
		return "one table for all peers" + away(s.NotReached)
	case StateWaits:
		return "waits for its first share: what is shared is not admitted yet"
	case StateApart:
		text := "this side counts for itself"
		if s.Since != nil {
			text += " since " + s.Since.UTC().Format(time.RFC3339)
		}
		return text + away(s.NotReached)
	}
	return "alone: nothing is shared"
}

func away(peers []string) string {
	if len(peers) == 0 {
		return ""
	}
	return "; not reached: " + strings.Join(peers, ", ")
}

// Figures are used, granted and total of a part in one column.
func (p Part) Figures() string { return fmt.Sprintf("%g/%g/%g", p.Used, p.Granted, p.Total) }

// StateText is the state of a share where it is not as it should be; empty: it is.
func (s Share) StateText() string {
	switch s.State {
	case StateWaits:
		return "waits for its first share"
	case StateApart:
		return "counts apart"
	case StateOver:
		return "over its total"
	}
	return ""
}
