// Package bandwidth decides what a call may use of subzones, links and pipes.
//
// It exists so that the counting, which is easy to get subtly wrong, is in one place,
// pure and held against a model: which way a call takes, what it is charged on, how many
// times, and how much it may have. Who counts what is in use, on this node or over a
// cluster, is somebody else: a Plan lists the objects, and a Use says what is left of them.
//
// The rules are those of facts A1:
//
//   - Links join subzones and zones. A call takes the way with the fewest links; of equally
//     short ways the one whose links come first in configuration, compared link by link.
//     On the way are subzones only. Whether there is bandwidth left does not change the way.
//   - A call whose media passes the node goes by the Traversal Subzone, and takes the
//     shortest way to it and the shortest way from it. Others never go through it.
//   - A call is charged once each time its way visits a subzone or crosses a link, and so
//     its pipes: within one subzone, twice if it is a traversal call.
//   - Of several limits the lowest wins, whichever object it sits on.
package bandwidth

import "errors"

// Limits of a node (facts A1.1).
const (
	MaxSubzones = 1000
	MaxZones    = 1000
	MaxLinks    = 3000
	MaxPipes    = 1000
	// MaxKbps is the largest limit and the most that one call asks for.
	MaxKbps = 100_000_000
)

// Limit bounds kbps. The zero value does not.
type Limit struct {
	Kbps    int
	Limited bool // Kbps 0 then admits nothing
}

// Unlimited is no limit.
var Unlimited = Limit{}

// Of returns a limit of kbps.
func Of(kbps int) Limit { return Limit{Kbps: kbps, Limited: true} }

// Subzone is a part of the Local Zone and its limits (BW-02).
type Subzone struct {
	Name   string
	Total  Limit // all calls together
	Within Limit // a call between two of its endpoints
	InOut  Limit // a call that enters or leaves it, or passes through
}

// Traversal is the limits of the Traversal Subzone.
type Traversal struct {
	Name    string
	Total   Limit
	PerCall Limit
}

// Pipe is an access line. All links that it is on share it.
type Pipe struct {
	Name    string
	Total   Limit
	PerCall Limit
}

// Link joins two subzones, or a subzone and a zone, over up to two pipes in series.
type Link struct {
	Name         string
	A, B         string
	Pipe1, Pipe2 string // empty: none
}

// Config is what a Map is compiled from.
type Config struct {
	// Subzones are all but the Traversal Subzone: the Default and the Cluster Subzone too.
	Subzones  []Subzone
	Traversal Traversal
	Zones     []string
	Pipes     []Pipe
	Links     []Link // in the order of configuration
}

// Errors of a Plan.
var (
	// ErrUnknown: no subzone or zone has the name.
	ErrUnknown = errors.New("no such subzone or zone")
	// ErrNoWay: no links lead from one end of the call to the other.
	ErrNoWay = errors.New("no links lead there")
)
