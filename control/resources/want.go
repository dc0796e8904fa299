package resources

import (
	"fmt"
	"slices"

	"turnpike.dev/turnpike/control/bandwidth"
	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/licensing"
)

// Party is one end of a call.
type Party struct {
	// Node is the subzone or zone that it is in; config.DefaultZoneName for strangers.
	Node string
	licensing.Party
}

// Way is where a call may lead: one for each fork that may still be answered.
type Way struct {
	From, To  Party
	Traversal bool   // media passes the node
	Asked     uint32 // kbps; 0: bandwidth.default_kbps
}

// same reports whether two ways join the same ends over the same path. What licences
// think of the parties is not a matter of the way.
func (w Way) same(o Way) bool {
	return w.From.Node == o.From.Node && w.To.Node == o.To.Node && w.Traversal == o.Traversal
}

// follows reports whether a way is what the other becomes when its call is set up: to and from
// peers of the cluster a call passes the Cluster Subzone until then, and is shown in the Default
// Subzone from then on (RG-05).
func (w Way) follows(o Way) bool {
	return !w.same(o) && w.Traversal == o.Traversal &&
		w.From.Node == setUp(o.From.Node) && w.To.Node == setUp(o.To.Node)
}

func setUp(node string) string {
	if node == config.ClusterSubzoneName {
		return config.DefaultSubzoneName
	}
	return node
}

// Want is what a call needs. As only one of its ways will carry it, it is charged on each
// object for the way that needs most there, never for the sum.
type Want struct {
	Ways      []Way
	Connected bool // set-up has completed; until then a call costs the licence of one with video (facts A3)
	Streams   int  // m= lines that have a port; 0: nobody has said yet
	Beyond    bool // another peer of the cluster passed the call on, and has taken its licence (LI-04)
	// Anew asks again for what the same ways were refused a part of: of a new offer.
	// Without it a way that asks for no more than before keeps what it has.
	Anew bool
	// Patient: rather wait than be refused or have less while other peers of the cluster may have some idle: a
	// refusal that says Waits is for Await. Without it a call goes by what is here.
	Patient bool
	// Waited: it was patient before, and not enough came. Operators tell refusals apart by it (NoAnswer, NoWait).
	Waited bool
}

// clone returns a copy that the caller's slices have no part in.
func (w Want) clone() Want {
	w.Ways = slices.Clone(w.Ways)
	return w
}

// Charge is what a call takes of an object: Times its Kbps.
type Charge struct {
	Kind  bandwidth.Kind
	Name  string
	Times int
	Kbps  uint32
}

// Granted is what a call has. It never changes: another grant is another value.
type Granted struct {
	Kbps    []uint32 // by way
	HalfRMS int
	Kind    licensing.Kind
	Charges []Charge // by kind and name
	// Nodes and Links are those of the first way.
	Nodes, Links []string
	Police       Police
}

// Police is what the data plane holds a call to (BW-06). It is set where a pipe on the
// way has policing on.
type Police struct {
	Kbps uint32 // of the call; 0: it is not policed
	// Groups are those of the pipes, by direction: from the caller, from the callee.
	Groups [2][]relay.Group
}

// Why is the reason of a refusal.
type Why uint8

// Reasons. The texts of facts A1.5 belong to OverPerCall and OverTotal.
const (
	OverCapacity Why = iota + 1 // the platform carries no more calls (CA-01)
	NoLicence                   // no rich media session is left (LI-04)
	OverPerCall                 // it asks for more than one call may have
	OverTotal                   // it asks for more than is left
	NoWay                       // no links lead there
	Ended                       // the grant has been released
)

// String returns the reason; of bandwidth in the words of facts A1.5.
func (w Why) String() string {
	switch w {
	case OverCapacity:
		return "the node carries as many calls as its platform may"
	case NoLicence:
		return "no rich media session licence is left"
	case OverPerCall:
		return bandwidth.OverPerCall.String()
	case OverTotal:
		return bandwidth.OverTotal.String()
	case NoWay:
		return "no links lead there"
	default:
		return "the call has ended"
	}
}

// Refusal is why a call has no grant.
type Refusal struct {
	Why Why
	At  string // what was short, for operators: "pipe Lisbon"
	// Waits is all that was short where other peers of the cluster may have it, and were asked for it: see
	// Resources.Await. Only what is Patient is refused so; nil: the refusal stands.
	Waits *Shortage

	lacks uint32 // of OverTotal that was decided: so much more of it would have been enough
}

// Error says why, and what to look at.
func (r *Refusal) Error() string {
	if r.At == "" {
		return r.Why.String()
	}
	return fmt.Sprintf("%s: %s", r.Why, r.At)
}

// Unwrap returns the Shortage of a refusal that does not stand.
func (r *Refusal) Unwrap() error {
	if r.Waits == nil {
		return nil
	}
	return r.Waits
}
