// Package troubles says which alarms of the cluster should stand now.
//
// It exists so that each number has one owner. The cores know what is so: who is there, what differs, what could
// not be written. Which alarm that is, whom it names and what its text says is decided here and
// nowhere else, from one view of the node. Whoever runs the cores asks after each change, raises what
// is new and lowers what is not there any more. How long something has to be so until an operator sees it is
// in the catalogue of alarms.
//
// It is a pure function of the view: the simulator of whole nodes holds it against what it did to them.
package troubles

import (
	"cmp"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
)

// Trouble is an alarm that should stand (facts A5). Key is the entry of the peer that it is about,
// empty where it is about this node.
type Trouble struct {
	Number      int
	Key, Detail string
}

// View is what a node knows of itself and its cluster at one moment.
type View struct {
	// Own are this node's settings as they are configured, ActiveTLS is the mode that its process runs with.
	Own       settings.Settings
	ActiveTLS string
	// Index is which entry of the list is this node, from 0; -1: none.
	Index int
	// NoH323 says that H.323 mode is off.
	NoH323 bool
	// Restart are the items beside the TLS mode that take effect at the next start.
	Restart []string
	// Peers are the entries of the list in its order, this node's among them.
	Peers []Peer
	// Configuration is what the core of the revisions says.
	Configuration revisions.Faults
	// Refused is why a document of the primary's does not fit here; empty: it does.
	Refused string
	// Unkept is why what the cluster keeps beside the configuration was not written, such as the decision about
	// the primary; empty: it was.
	Unkept string
	// Disagreement is in what peers do not agree on who belongs to the cluster; empty: they do.
	Disagreement string
	// Frozen is why the agreed log does not advance although a majority is there; empty: it does.
	Frozen string
	// Sharing is how licences and bandwidth are counted.
	Sharing Sharing
}

// Peer is an entry of the list and who answers there.
type Peer struct {
	liveness.Status
	// Unresolved is why the entry stands for no address; empty: it does.
	Unresolved string
	// Blocked are ports of the peer that cannot be reached.
	Blocked []string
	// Settings are the peer's own; nil: it has not said them.
	Settings *settings.Settings
	// Joined: it belongs to this node's cluster (CL-02).
	Joined bool
	// Rows is why its rows cannot be had; empty: they are here.
	Rows string
	// Unsynchronised is why its rows cannot be had for so long that it does not look as if they will be;
	// empty: they are here, or will be.
	Unsynchronised string
	// Lost is since when it is not there; zero: it is, or it was not yet.
	Lost time.Time
	// Held is what it keeps of the cluster's although it is not there.
	Held Held
}

// here says that the peer is there: what it said of itself is so.
func (p Peer) here() bool { return p.Life == liveness.Active || p.Life == liveness.Suspect }

// Judge returns all alarms that should stand, by number and key. It never returns two of one number and key.
func Judge(v View) []Trouble {
	var b board
	b.own(v)
	b.configuration(v)
	b.sharing(v)
	for i, p := range v.Peers {
		if i != v.Index && !p.Own {
			b.peer(v, p)
		}
	}
	slices.SortStableFunc(b.out, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Key, b.Key))
	})
	return b.out
}

// Changes returns what has to be raised, new or with another detail, and what to be lowered, when is takes
// the place of was.
func Changes(was, is []Trouble) (raise, lower []Trouble) {
	for _, t := range is {
		if !slices.Contains(was, t) {
			raise = append(raise, t)
		}
	}
	for _, t := range was {
		same := func(o Trouble) bool { return o.Number == t.Number && o.Key == t.Key }
		if !slices.ContainsFunc(is, same) {
			lower = append(lower, t)
		}
	}
	return raise, lower
}
