// Package member is this node's part in its cluster.
//
// It exists because what peers decide is in pure cores (liveness, rows, revisions, membership, ledger),
// and somebody has to run them: one goroutine here owns them all, tells them what the connections, the
// disk and the operator say, and turns what they ask for into messages, writes, alarms, records of the
// log and calls upwards. Nothing that may block runs on that goroutine, so that a slow disk or a slow
// subscriber never costs a heartbeat.
package member

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/troubles"
	"turnpike.dev/turnpike/cluster/wire"
)

// Errors that callers test.
var (
	// ErrStopped says that the member has ended, or has not begun yet.
	ErrStopped = errors.New("this node's part in the cluster is not running: see `turnpike cluster status`")
	// ErrUnknownPeer says that nobody of the list is that node.
	ErrUnknownPeer = errors.New("no peer of this cluster: see `turnpike cluster status`")
)

// Mesh is the connections with the other peers (cluster/mesh).
type Mesh interface {
	List(addresses []string, own int, mapping map[string]netip.Addr)
	// SendEntry and Send return false where nothing was sent: cores send again.
	SendEntry(address string, m any) bool
	Send(to cluster.ID, m any) bool
	// Say sends the hello anew.
	Say()
	Request(ctx context.Context, to cluster.ID, name string, body []byte) ([]byte, error)
	// Trust drops the pinned key of an entry.
	Trust(address string) error
}

// Documents is the node's configuration store.
type Documents interface {
	// Stored is what is on the disk.
	Stored() revisions.Stored
	// Write makes a document durable. It may block.
	Write(revisions.Stored) error
	// Apply puts in force what was written. It comes after Write, from the same goroutine.
	Apply(revisions.Apply)
	// Digest is of what is in force, computed anew (CL-03).
	Digest() string
	// Initial is the configuration of a node that begins a cluster.
	Initial() revisions.Propose
}

// Alarms raises and lowers what an operator must know; both may be repeated.
type Alarms interface {
	Raise(number int, key, detail string)
	Lower(number int, key string)
}

// Log takes records of the event log.
type Log interface {
	Event(event string, kv ...any)
	Warn(event string, kv ...any)
	Error(event string, kv ...any)
}

// Config is what a member is made of.
type Config struct {
	Self cluster.ID
	// Name is the node's own name, as peers show it.
	Name     string
	Software string
	// Protocol is the version of what peers say to each other.
	Protocol int
	// Port is where peers take connections (20021).
	Port uint16
	// SIPTLS is the port that peers send calls to.
	SIPTLS uint16
	// ActiveTLS is the mode that this process runs with (20020).
	ActiveTLS string
	// Kept is what Keep kept last; empty: nothing. Keep is durable when it returns, and may block.
	Kept []byte
	Keep func([]byte) error

	Documents Documents
	// Rows are the recovered ones: they are there before anybody sees an empty table.
	Rows map[rows.Key]rows.Row
	// Newer says that the value a takes the place of b under one key.
	Newer func(a, b string) bool
	// NewID returns an id that was never used.
	NewID  func() string
	Alarms Alarms
	// Standing are those of the cluster's alarms that an earlier process has left.
	Standing []troubles.Trouble
	Log      Log
	Now      func() time.Time
	// Boot reads CLOCK_BOOTTIME.
	Boot func() time.Duration
}

// Handler answers a request of a peer.
type Handler func(ctx context.Context, from cluster.ID, body []byte) ([]byte, error)

// Member is this node in its cluster. Its methods may be called by any number of goroutines.
type Member struct {
	cfg         Config
	incarnation cluster.Incarnation
	inbox, disk *inbox
	ended       chan struct{}

	// Set before Run.
	mesh      Mesh
	agreement Agreement
	ctx       context.Context // of Run: requests end with it
	beside    sync.WaitGroup
	handlers  map[string]Handler
	watchers  []watcher

	// Shared.
	status      atomic.Pointer[Status]
	hello       atomic.Pointer[wire.Hello]
	shown       atomic.Pointer[Ledger]
	known       atomic.Pointer[[]Peer]
	maintenance atomic.Bool
	mu          sync.Mutex
	changed     chan struct{} // guarded by mu

	// The rest belongs to the goroutine of Run.
	kept       kept
	keeping    keeping
	liveness   *liveness.Core
	rows       *rows.Core
	revisions  *revisions.Core
	membership *membership.Core
	rules      membership.Rules       // as membership was told
	state      agreement.State        // as membership was told
	asking     chan membership.Answer // who is being answered
	flowed     time.Duration          // when the agreement was well, or could not be, last
	belongs    time.Duration          // when membership hears of the time next

	own       settings.Settings
	index     int // of this node in the list, from 0; -1: none
	decidedAt uint64
	began     time.Duration // this life
	contacts  map[cluster.ID]*contact
	with      []cluster.ID // the others that have properly joined
	local     Local
	twice     map[string]bool  // records tell that these entries are others' already
	faults    map[string]error // why an entry could not be reached last
	raised    []troubles.Trouble
	news      []rows.Changed // to be told to watchers

	writing      *proposal
	queue        []proposed
	synchronised time.Time
	dirty        bool // the status has changed
	sharing      *sharing
	apart        apart
	looked       time.Duration
}

// Incarnation is of this process: it is durable.
func (m *Member) Incarnation() cluster.Incarnation { return m.incarnation }

// Handle sets who answers requests of a name. It comes before Run.
func (m *Member) Handle(name string, h Handler) { m.handlers[name] = h }

// Connect gives the member its connections. It comes before Run.
func (m *Member) Connect(mesh Mesh) { m.mesh = mesh }

// Request asks a peer and waits for its answer.
func (m *Member) Request(ctx context.Context, to cluster.ID, name string, body []byte) ([]byte, error) {
	if m.mesh == nil {
		return nil, ErrStopped
	}
	return m.mesh.Request(ctx, to, name, body)
}

// Trust drops the pinned key of an entry: the next one that is shown is pinned (CL-05).
func (m *Member) Trust(address string) error {
	if m.mesh == nil {
		return ErrStopped
	}
	return m.mesh.Trust(address)
}

// Maintenance tells the others whether this node takes new calls and registrations (RG-08).
func (m *Member) Maintenance(on bool) {
	if m.maintenance.Swap(on) != on && m.mesh != nil {
		m.mesh.Say()
	}
}
