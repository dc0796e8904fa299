package metrics

import (
	"time"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/eventlog"
	"turnpike.dev/turnpike/control/machine"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/control/sharing"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/dataplane/rtp"
	"turnpike.dev/turnpike/dataplane/turn"
)

// Snapshot is a node at the moment of a scrape.
type Snapshot struct {
	Version, Go     string
	Started         time.Time
	Ready, Draining bool
	Degraded        int // reasons

	TURN        turn.Stats
	RelayLimit  int
	Allocations map[string]int // by transport

	SIP           SIP
	Calls         calls.Stats
	CallLimit     int
	Registrations registrations.Counts
	// RegistrationLimit is the platform's.
	RegistrationLimit int
	Media             rtp.Counts
	Bandwidth         []occupancy.Object
	// BandwidthRefusals are those for want of any object since the start, also of one that is gone.
	BandwidthRefusals sharing.Refusals
	// GrantsUnjournaled counts changes of what calls have that the journal lacks.
	GrantsUnjournaled uint64
	Resources         []Resource
	Licences          Licences
	Sharing           sharing.Status
	// Recalls is how often peers asked for what is idle here.
	Recalls      uint64
	Cluster      Cluster
	Peers        []PeerTraffic // of the cluster
	PeersRefused map[string]uint64

	Flows         []Flows
	Strays        uint64
	LeasesRenewed time.Time // zero: never
	Carried       []Carried
	RTP           []RTP
	Exits         []Exit
	Interfaces    []Interface
	Maps          []Map
	Queues        []Queues
	Capturing     bool

	Links  []machine.Link
	Losses []machine.Loss
	Alarms []Alarms
	Log    eventlog.Stats
	Lost   uint64 // records that standard output was too slow for
	Unsent uint64 // records that syslog servers did not take in time
}

// Flows is how many flows go by a path, and for which kind of reason.
type Flows struct {
	Path, Cause string
	Count       int
}

// Carried is what all relays carried by one path in one direction since the node's
// start, those that ended included.
type Carried struct {
	Path, Direction string
	relay.Carried
}

// RTP is how many RTP packets the senders of one direction numbered, and how many came.
type RTP struct {
	Direction          string
	Expected, Received uint64
}

// Exit is how many packets left the relay for one reason.
type Exit struct {
	Path, Reason, Verdict string
	Packets               uint64
}

// Interface is who relays on one of the node's interfaces.
type Interface struct{ Name, Path, Mode string }

// Map is how full a kernel map is.
type Map struct {
	Name              string
	Entries, Capacity int
}

// Queues is how the packets of an interface were spread.
type Queues struct {
	Interface, Over string // queues or cpus
	Packets         []uint64
}

// Alarms is how many alarms of a severity stand, raised or acknowledged.
type Alarms struct {
	Severity, State string
	Count           int
}
