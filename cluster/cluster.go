// Package cluster has the two names that its parts share: who a peer is, and which of its
// lives speaks.
//
// It exists apart from them so that they need not know each other. Each part (liveness, rows,
// revisions, ledger) is a pure core, Step(now, event) → actions: no clock, goroutine, socket,
// file or chance is in it, so that the seeded simulator of the tests runs the same code
// as the node. Readings of the time are of CLOCK_BOOTTIME, since a start of the machine: no change of the
// wall clock moves them, and what a machine slept through has passed.
package cluster

// MaxPeers is the largest cluster (CL-01).
const MaxPeers = 6

// ID is the UUID of a node. It stays when its address changes (CL-22).
type ID string

// Incarnation numbers the starts of a node's process: a later one is greater. It is durable
// before the first message that carries it leaves: the greater of the one before plus 1 and
// the seconds of the wall clock, so that a machine that was put back to an old image does not use one again.
type Incarnation uint64
