package relay

import (
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/bpf"
)

// FlowID names an installed flow within one back end.
type FlowID uint32

// Kernel is the XDP back end as the table uses it.
type Kernel interface {
	// Install gives the kernel the flow, or returns why it cannot have it (ErrFull).
	// An entry with the same key that an earlier process left is taken over with its
	// counters.
	Install(f Flow, lease time.Time) (FlowID, error)
	// Replace changes what becomes of the flow's datagrams; the key stays. When it
	// fails the flow is as it was.
	Replace(id FlowID, f Flow, lease time.Time) error
	// Lease moves the time at which the kernel stops relaying the flow by itself.
	Lease(id FlowID, until time.Time)
	// Remove returns when the kernel relays no datagram of the flow any more.
	Remove(id FlowID) Counters
	// Counters reads the flow's counters.
	Counters(id FlowID) Counters
	// SetClock sets the RTP clock that jitter is measured with.
	SetClock(id FlowID, hz uint32)
	// Sweep compares the kernel's tables with what was installed and puts them right:
	// entries that an earlier process left go, missing ones come back. It returns how
	// many there were.
	Sweep() (strays int, err error)
	// Reason says why the kernel does not relay an installed flow now ("no native XDP
	// on s0: ..."); empty when it does. Changes of links, routes and neighbours change it.
	Reason(id FlowID) string
	// Reasons counts the packets by the reason they left the program.
	Reasons() [bpf.ReasonCount]uint64
	// OpenGroup makes a bucket, or returns why there is none (ErrFull). full is when the
	// bucket would be full again, in nanoseconds of CLOCK_MONOTONIC (GCRA, ITU-T I.371),
	// which the process's relay moves too: both take from one bucket. It is valid until
	// the back end is closed.
	OpenGroup(g Group, l Limit) (full *atomic.Uint64, err error)
	Groups
	Gate
}

// Groups is what both back ends do with groups that are open.
type Groups interface {
	SetGroup(g Group, l Limit)
	// CloseGroup: flows that have the group are limited by it no more.
	CloseGroup(g Group)
	GroupStats(g Group) GroupStats
}

// Process is the userspace back end as the table uses it. It always has every
// flow, so it also relays what the kernel leaves alone.
type Process interface {
	Install(f Flow) (FlowID, error)
	Replace(id FlowID, f Flow) error
	Remove(id FlowID) Counters
	Counters(id FlowID) Counters
	SetClock(id FlowID, hz uint32)
	// Forward relays one datagram of a Stream flow.
	Forward(k Key, payload []byte) bool
	Reasons() [bpf.ReasonCount]uint64
	// OpenGroup makes a bucket, with the kernel's word where that is not nil.
	OpenGroup(g Group, l Limit, full *atomic.Uint64)
	// Take takes bytes for a datagram that a handler relays itself; false: drop it.
	Take(from [MaxGroups]Group, bytes int) bool
	Groups
	Gate
}
