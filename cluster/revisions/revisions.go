// Package revisions brings the configuration that one peer authors to all others.
//
// It exists because configuration needs one author and no quorum: a primary that is alone can be
// configured, and peers without one keep what they have (CL-03, CL-12). Each change of primary
// raises the generation, so that what an old primary writes when it comes back counts less
// than what the new one wrote, wherever they meet. Documents are opaque: what is the peers' own (PS) is
// left out by who hands one in, and never gets here.
//
// It is a pure core: Step(now, event) → actions.
package revisions

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"turnpike.dev/turnpike/cluster"
)

// Reign is the time of one primary.
type Reign struct {
	Generation uint64
	Author     cluster.ID
}

// Compare orders reigns. Two primaries that did not know of each other may have one
// generation; the names decide then, so that all peers decide alike.
func (r Reign) Compare(o Reign) int {
	return cmp.Or(cmp.Compare(r.Generation, o.Generation), strings.Compare(string(r.Author), string(o.Author)))
}

// Tag names a revision. The zero tag is of a node that has nothing.
type Tag struct {
	Reign
	Revision uint64
	Digest   string // of the document
}

// Compare orders revisions, whatever is in them.
func (t Tag) Compare(o Tag) int {
	return cmp.Or(t.Reign.Compare(o.Reign), cmp.Compare(t.Revision, o.Revision))
}

// String returns the tag as an operator reads it.
func (t Tag) String() string {
	if t == (Tag{}) {
		return "nothing"
	}
	return fmt.Sprintf("%d.%d of %s", t.Generation, t.Revision, t.Author)
}

// Document is a revision.
type Document struct {
	Tag   Tag
	Bytes string
}

// Stored is what a node keeps on its disk: all of it or what was there before.
type Stored struct {
	Document
	// Decision is the operator's last decision about the primary that took effect here.
	Decision uint64
}

// Why a change is refused.
var (
	ErrNotPrimary = errors.New("this node is not the configuration primary: change it there")
	ErrDeposed    = errors.New("another node has become the configuration primary since: set the same primary on all peers")
	ErrBusy       = errors.New("another change is being written: try again")
	ErrIsPrimary  = errors.New("this node is the configuration primary: there is nowhere to take its configuration from")
	ErrNobody     = errors.New("the primary is not known yet: see `turnpike cluster status`")
)

// Event is what happens to the core.
type Event interface{ event() }

// Settings say what this node's own configuration names as the primary. It comes at the start and
// with each change.
type Settings struct {
	Primary cluster.ID // empty: it was never heard, its name is not known
	// Decision counts the operator's changes of it on this node, and is durable with them.
	Decision uint64
}

// Members are the other peers that have properly joined (CL-02): nobody else is sent anything.
type Members struct{ Peers []cluster.ID }

// Reachable says whether a peer is there (liveness).
type Reachable struct {
	Peer cluster.ID
	Is   bool
}

// Propose is a change of the configuration: what it is as a whole afterwards.
type Propose struct {
	Bytes  string
	Digest string
}

// Wrote says that a document that was to be written is durable.
type Wrote struct{ Tag Tag }

// WriteFailed says that it could not be written.
type WriteFailed struct {
	Tag Tag
	Err error
}

// Checked is the digest of what is in force, computed anew.
type Checked struct{ Digest string }

// Force takes the primary's configuration whatever there is here (CL-15).
type Force struct{}

// Received is a message of a peer: a Beat or a Push.
type Received struct {
	From    cluster.ID
	Message any
}

// Tick says that time has passed. It comes a few times within a second.
type Tick struct{}

func (Settings) event()    {}
func (Members) event()     {}
func (Reachable) event()   {}
func (Propose) event()     {}
func (Wrote) event()       {}
func (WriteFailed) event() {}
func (Checked) event()     {}
func (Force) event()       {}
func (Received) event()    {}
func (Tick) event()        {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Send sends a message to a peer. One that cannot be sent may be thrown away.
type Send struct {
	To      cluster.ID
	Message any
}

// Write makes a document durable; Wrote or WriteFailed follows. It is not in force before.
type Write struct{ Stored }

// Apply puts a document in force that is durable.
type Apply struct {
	Document
	Replaces Tag
	// Lost: what it replaces was written here, and is not in it.
	Lost bool
}

// Check asks for the digest of what is in force.
type Check struct{}

// Refused says that a change or a Force is not done.
type Refused struct{ Err error }

func (Send) action()    {}
func (Write) action()   {}
func (Apply) action()   {}
func (Check) action()   {}
func (Refused) action() {}

// Beat is a part of the heartbeat: what a node has, and whom it follows.
type Beat struct {
	N           uint64 // counts the beats of this incarnation: older ones are not listened to
	Incarnation cluster.Incarnation
	Software    string
	Has         Tag
	// Wants: what it has is damaged, or to be replaced.
	Wants bool
	Names cluster.ID // the primary of its settings
	// Follows is from whom it takes documents; of the acting primary itself.
	Follows cluster.ID
	// Reign is the latest that it knows of.
	Reign Reign
}

// Push is a document for a peer that follows.
type Push struct{ Document }
