package xdp

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// crowdHold is CROWD_HOLD_NS in bpf/crowd.h: the program prolongs it while it lasts.
	crowdHold  = time.Second
	knownShift = 30 // KNOWN_SHIFT
)

// Pressed tells the program that the process cannot keep up with what comes to its
// listening ports: from now on a source has its share. It may be called often, and after
// Close.
func (b *Backend) Pressed() {
	b.crowd.Lock()
	defer b.crowd.Unlock()
	if c := b.memory.crowd; c != nil {
		atomic.StoreUint64(&c.Until, monotonic()+uint64(crowdHold))
	}
}

// Known tells the program that a request of this source had the right password. For ten
// minutes unknown ones do not take its place. It may be called for each request, and
// after Close.
func (b *Backend) Known(source netip.Addr) {
	b.crowd.Lock()
	defer b.crowd.Unlock()
	c := b.memory.crowd
	if c == nil {
		return
	}
	now := uint32(monotonic() >> knownShift)
	hash := hashSource(source, b.secret)
	atomic.StoreUint32(&c.Known[0][hash>>48], now)
	atomic.StoreUint32(&c.Known[1][hash>>32&0xffff], now)
}

// hashSource is hash_source and source_of in bpf/crowd.h.
func hashSource(source netip.Addr, secret uint64) uint64 {
	bytes := source.As16()
	half := bytes[:8]
	if source.Unmap().Is4() {
		half = bytes[8:]
	}
	hash := (binary.NativeEndian.Uint64(half) ^ secret) * 0x9e3779b97f4a7c15
	return (hash ^ hash>>32) * 0xc2b2ae3d27d4eb4f
}
