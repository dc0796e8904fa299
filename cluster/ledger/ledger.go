// Package ledger shares out what the cluster has: licences, bandwidth, capacity.
//
// It exists so that a call is admitted from this node's own counters and the cluster as a
// whole never has more than the total (LI-06, BW-05). Each peer has a ceiling for each resource; the table
// of ceilings is agreed (raft), their sum is at most the total, and a ceiling counts only when it
// stands in the table. Growth is asked for by numbered requests, one at a time; what is given back is
// lowered here first and told then. Before anybody is refused, the idle ceilings of the others are recalled.
//
// A lost peer's ceilings are a matter of policy. Strict: nothing is freed without proof. Available: they are
// freed once the peer cannot use them any more: its ceilings are leases, that end 4 s after it sent the last
// heartbeat that the leader has confirmed; and some time later where what it had may go on without it (Total.Hold). What
// counts is by which rule the holder uses a ceiling, and that is in the table too: so a change of policy is safe also
// for a peer that does not hear of it (rule.go).
//
// Thousands of objects may be limited, and a peer uses few of them: it says nothing of one before it wants some of it,
// and a leader answers only what its peer must learn.
//
// Where nobody leads the agreement, the peers that are there count for themselves what is of policy available: the
// first of them in the list leads a provisional ledger (see History). It is dropped when there is a leader again; then
// everybody comes down to what it uses, and no call ends.
//
// It is a pure core: Step(now, event) → actions. now is of CLOCK_BOOTTIME, so that a machine that slept
// finds its leases over.
package ledger

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

// Resource names what is shared out.
type Resource string

// Policy says what becomes of a lost peer's ceiling.
type Policy uint8

// Policies.
const (
	Strict Policy = iota
	Available
)

// Times of the leases. A lease that runs on a clock 5 % slow is over before it is freed by one 5 % fast.
const (
	beatInterval = 500 * time.Millisecond
	// LeaseTime is how long a ceiling may be used after a heartbeat was sent that the leader confirmed.
	LeaseTime = 4 * time.Second
	// FreeAfter is how long a leader has to have confirmed nothing until it frees. After the same time
	// without any leader peers count for themselves: by then the lease is over.
	FreeAfter = 5 * time.Second
	// Overlap is how long an old leader may go on confirming after it last knew that it was the leader.
	Overlap = time.Second
	// recallTime is how long a request waits for the idle ceilings of others where one of them is not heard at all. Where
	// all are heard it waits until all have answered; after this time it is granted in part, when there is some.
	recallTime = time.Second
	// answerTime is how long all may take to answer who are heard: agreeing on what one gives back takes its time, and
	// so does what is on its way to it.
	answerTime = 3 * time.Second
	// proposeAgain is how long a proposal may take.
	proposeAgain = 2 * time.Second
	// remembered is how many heartbeats can be confirmed: those of six seconds at least.
	remembered = 256
	// beatSoon is how soon after another a heartbeat may follow that has something new to say.
	beatSoon = 25 * time.Millisecond
	// sayAgain is after how long without an answer a request is said again.
	sayAgain = beatInterval - 50*time.Millisecond
	// goneAfter is how long a leader leads until it takes away what its configuration does not have: it may be behind.
	goneAfter = 10 * time.Second
	// sweepEvery is how often what has no total any more is looked at.
	sweepEvery = 2 * time.Second
	// ruleEvery is how often totals are held against the configuration when nothing has changed.
	ruleEvery = 500 * time.Millisecond
)

// Bounds of what peers say to each other, and of what a leader has under way.
const (
	// MaxWants is how many resources a Beat, a Lead or a Recall names at most.
	MaxWants    = 256
	maxProposed = 1024
	maxWaiting  = 4096
	// maxHeld is how many names a provisional ledger takes of a peer that its configuration does not have: about twice
	// what one can have, for those that are no more and that calls still use.
	maxHeld = 4096
)

// Total is how much there is of a resource.
type Total struct {
	Amount uint32
	Policy Policy
	// Hold is how much longer than their lease a lost peer's ceilings of policy available stay its own: the media of
	// its calls may outlive its process.
	Hold time.Duration
}

// Grant is a line of the agreed table: what a peer may use of a resource.
type Grant struct {
	Incarnation cluster.Incarnation
	Number      uint64 // of the peer's request that made it
	Amount      uint32
	Freed       bool // by policy or by the operator: the peer does not know it yet
	// Leased: the peer uses it only while its lease runs. Only then can it be freed by policy.
	Leased bool
	// More: it is less than was wanted, and not all others had answered. The request is over: its peer asks for the rest at
	// once, by a new one, which is the last of those that wait.
	More bool
}

// Want is a request for a ceiling, in all. Requests of an incarnation are numbered from 1.
type Want struct {
	Resource Resource
	Number   uint64
	Amount   uint32
	// Held: so much is in use, whatever the table says. An incarnation's first word on a resource
	// is one, and frees the rest of what the one before had; unless nothing is in use and the table has nothing.
	Held bool
	// Leased: it is for use while the lease runs only. Who has a ceiling without that says so once it looks at the
	// lease; who has one with it, until the table has it without.
	Leased bool
	// More is the leader's word: it gives what there is, and not all others have answered. See Grant.More.
	More bool
}

// Entry is what is agreed on; it is applied in the same order on all peers.
type Entry struct {
	// A total that changes, or is no more.
	Resource Resource
	Total    *Total
	Gone     bool
	// Or a peer's request.
	Peer        cluster.ID
	Incarnation cluster.Incarnation
	Want        *Want
	// Or that the ceilings of a peer's Incarnation are freed: the leased ones of what is held for so long at most, or all.
	Free bool
	Hold time.Duration
	All  bool
}

// Event is what happens to the core.
type Event interface{ event() }

// Applied is an entry that is agreed on.
type Applied struct{ Entry Entry }

// Leads says that this node is the leader of the agreement, that it has applied all that was
// agreed before its term, and that a majority said so at At. It comes again and again.
type Leads struct {
	Term uint64
	At   time.Duration
}

// Members are all peers that have properly joined, this node among them. What anybody else has in the table
// is freed: the operator has taken it off the list, or it is in another history and will say what it holds when it is back.
type Members struct{ Peers []cluster.ID }

// Here are the members that are there (liveness), this node among them, in the order of the list of peers. Who
// is never told does not count for itself when nobody leads.
type Here struct{ Peers []cluster.ID }

// Totals are how much there is of everything that is shared, by the configuration and the licences; the leader makes it
// agreed. What is not named any more is not shared out any more.
type Totals struct{ Of map[Resource]Total }

// Anew says that another history of the agreement counts here from now on (cluster/membership): the cluster has
// another id, and Table is what was agreed in it up to now. All that is in use is told anew.
type Anew struct {
	Cluster string
	Table   *Table
}

// Short says that so much more of a resource was wanted here than is left.
type Short struct {
	Resource Resource
	N        uint32
}

// Lowered answers Lower: the ceiling is To now. It is never under what is in use.
type Lowered struct {
	Resource Resource
	To       uint32
}

// Forget is the operator's word that a peer is gone and its calls with it.
type Forget struct{ Peer cluster.ID }

// Leave gives back what is not in use: this node is about to end, or in maintenance.
type Leave struct{}

// Received is a message of a peer, or of this node to itself: a Beat, a Lead or a
// Recall.
type Received struct {
	From    cluster.ID
	Message any
}

// Tick says that time has passed. It comes a few times within a beat.
type Tick struct{}

func (Applied) event()  {}
func (Leads) event()    {}
func (Members) event()  {}
func (Here) event()     {}
func (Totals) event()   {}
func (Anew) event()     {}
func (Short) event()    {}
func (Lowered) event()  {}
func (Forget) event()   {}
func (Leave) event()    {}
func (Received) event() {}
func (Tick) event()     {}

// Action is what has to be done after an event.
type Action interface{ action() }

// Send sends a message to a peer, or to this node itself.
type Send struct {
	To      cluster.ID
	Message any
}

// Propose asks for agreement on an entry. Only a leader does.
type Propose struct{ Entry Entry }

// Raise sets the ceiling of a resource, that is lower now.
type Raise struct {
	Resource Resource
	To       uint32
}

// Lower lowers a ceiling as far as what is in use lets it; Lowered follows.
type Lower struct {
	Resource Resource
	To       uint32
}

// Lease says until when ceilings of policy available may be used: it is read at each admission.
type Lease struct{ Until time.Duration }

// Leased says whether this node's ceiling of a resource may be used only while the lease runs (policy available), or
// always (strict). It comes before the first Raise, and when it changes.
type Leased struct {
	Resource Resource
	Leased   bool
}

// Denied says that a request was granted in part or not at all: there is no more, by the word of all others that are
// heard, or as far as they have said after three seconds (answerTime). They were asked after Asked, when the request was
// made.
type Denied struct {
	Resource Resource
	Asked    time.Duration
}

func (Send) action()    {}
func (Propose) action() {}
func (Raise) action()   {}
func (Lower) action()   {}
func (Lease) action()   {}
func (Leased) action()  {}
func (Denied) action()  {}

// Waiting is a request of a peer's, or of this node's, that is not answered yet.
type Waiting struct {
	Peer     cluster.ID
	Resource Resource
	Amount   uint32 // in all
	Since    time.Duration
}

// History names a table of ceilings: of whose provisional ledger, of which of its lives, and which of that one's. The
// zero History is the one that is agreed.
type History struct {
	Leader      cluster.ID
	Incarnation cluster.Incarnation
	Number      uint64
}

// Beat goes from each peer to all every half second, and when there is something new to want.
type Beat struct {
	Cluster     string // the id that its sender carries
	Incarnation cluster.Incarnation
	Seq         uint64
	Wants       []Want
	// Under is the provisional ledger that its sender counts in: it has said there what it holds. Its leader
	// calls for it so.
	Under History
	// Spent answers recalls of the leader of Term, or of who leads Under.
	Spent []Spent
	Term  uint64
}

// Lead is the leader's answer to a Beat.
type Lead struct {
	Cluster     string
	Term        uint64
	Incarnation cluster.Incarnation // of the peer
	Echo        uint64              // the Beat that it confirms
	Grants      map[Resource]Grant  // of the peer's those that it must learn: answers, and what is not its own word
	Recall      map[Resource]uint32 // ceilings that it is asked to come down to, as far as it can
	Number      uint64              // of the recall
	Under       History             // whose Term means nothing then
}

// Recall asks at once to come down to some ceilings, because somebody waits.
type Recall struct {
	Cluster string
	Term    uint64
	Of      map[Resource]uint32
	Number  uint64 // numbers grow with each request that begins to wait; 0: it is answered only with what is given
	Under   History
}
