package userspace

import (
	"slices"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/dataplane/relay"
)

// bucket is a token bucket that flows share, also with the kernel's (relay.Group). It is
// the virtual-scheduling twin of one, as policer is, but its word is changed by whoever
// comes first.
type bucket struct {
	full    *atomic.Uint64 // when it would be full again, CLOCK_MONOTONIC
	own     atomic.Uint64  // full's, without a kernel
	zero    uint64         // the relay's epoch, in the same
	perByte atomic.Uint64  // nanoseconds, times 2^costShift; 0: no limit
	depth   atomic.Uint64  // nanoseconds

	packets, bytes, policed, policedBytes atomic.Uint64
}

const costShift = 20

func (b *bucket) grant(l relay.Limit) {
	const nsPerByte = 8 * 1_000_000 // at one kbps
	b.depth.Store(uint64(l.Depth))
	if l.Kbps == 0 {
		b.perByte.Store(0)
		return
	}
	b.perByte.Store((nsPerByte<<costShift + uint64(l.Kbps)/2) / uint64(l.Kbps))
}

// take takes bytes from the bucket, or reports that there are too few.
func (b *bucket) take(bytes int, now int64) bool {
	perByte := b.perByte.Load()
	if perByte == 0 {
		return true
	}
	at, price := b.zero+uint64(now), uint64(bytes)*perByte>>costShift
	for {
		was := b.full.Load()
		full := max(was, at) + price
		if full > at+b.depth.Load() {
			return false
		}
		if b.full.CompareAndSwap(was, full) {
			return true
		}
	}
}

// giveBack undoes take.
func (b *bucket) giveBack(bytes int) {
	b.full.Add(-(uint64(bytes) * b.perByte.Load() >> costShift))
}

// takeAll takes bytes from each bucket, or from none of them.
func takeAll(buckets []*bucket, bytes int, now int64) bool {
	for i, b := range buckets {
		if b.take(bytes, now) {
			continue
		}
		for _, before := range buckets[:i] {
			before.giveBack(bytes)
		}
		b.policed.Add(1)
		b.policedBytes.Add(uint64(bytes))
		return false
	}
	for _, b := range buckets {
		b.packets.Add(1)
		b.bytes.Add(uint64(bytes))
	}
	return true
}

// groups are the buckets that are open.
type groups struct {
	mu      sync.Mutex
	buckets map[relay.Group]*bucket
}

// OpenGroup makes a bucket. full is the kernel's word for it; nil: there is none.
func (r *Relay) OpenGroup(g relay.Group, l relay.Limit, full *atomic.Uint64) {
	b := &bucket{full: full, zero: uint64(r.epoch.monotonic)}
	if full == nil {
		b.full = &b.own
	}
	b.grant(l)
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	if r.groups.buckets == nil {
		r.groups.buckets = map[relay.Group]*bucket{}
	}
	r.groups.buckets[g] = b
}

// Take takes bytes from groups for a datagram that a handler relays itself.
func (r *Relay) Take(from [relay.MaxGroups]relay.Group, bytes int) bool {
	return takeAll(r.groups.of(from), bytes, r.clock())
}

// SetGroup changes what a bucket grants.
func (r *Relay) SetGroup(g relay.Group, l relay.Limit) {
	if b := r.groups.at(g); b != nil {
		b.grant(l)
	}
}

// CloseGroup lets go of a bucket: it limits nobody any more.
func (r *Relay) CloseGroup(g relay.Group) {
	b := r.groups.at(g)
	if b == nil {
		return
	}
	b.perByte.Store(0)
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	delete(r.groups.buckets, g)
}

// GroupStats is what this relay took from a bucket.
func (r *Relay) GroupStats(g relay.Group) relay.GroupStats {
	b := r.groups.at(g)
	if b == nil {
		return relay.GroupStats{}
	}
	return relay.GroupStats{
		Packets: b.packets.Load(), Bytes: b.bytes.Load(),
		Policed: b.policed.Load(), PolicedBytes: b.policedBytes.Load(),
	}
}

func (g *groups) at(id relay.Group) *bucket {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buckets[id]
}

// of returns the buckets of groups, those that are open.
func (g *groups) of(ids [relay.MaxGroups]relay.Group) []*bucket {
	var list []*bucket
	for _, id := range ids {
		if id == 0 {
			continue
		}
		if b := g.at(id); b != nil {
			list = append(list, b)
		}
	}
	return slices.Clip(list)
}
