package xdp

import (
	"sync/atomic"

	"turnpike.dev/turnpike/dataplane/relay"
)

// OpenGroup makes a bucket. The kernel has none yet: the process relays what needs one.
func (b *Backend) OpenGroup(relay.Group, relay.Limit) (*atomic.Uint64, error) {
	return nil, relay.ErrFull
}

// SetGroup changes what a bucket grants.
func (b *Backend) SetGroup(relay.Group, relay.Limit) {}

// CloseGroup lets go of a bucket.
func (b *Backend) CloseGroup(relay.Group) {}

// GroupStats is what the program took from a bucket.
func (b *Backend) GroupStats(relay.Group) relay.GroupStats { return relay.GroupStats{} }
