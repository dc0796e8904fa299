package xdp

import (
	"encoding/binary"
	"sync/atomic"

	"turnpike.dev/turnpike/bpf"
)

// The twins of what bpf/layout.h says of hints.
const (
	hintSetBits   = 15
	hintWays      = 2
	hintIndexBits = 17
)

// Families in a tag: SLOT_IPV4 and SLOT_IPV6 in bpf/layout.h.
const (
	tagIPv4 = 1 << 48
	tagIPv6 = 2 << 48
)

// tagOf shortens a key as the program shortens a packet's (bpf/parse.h).
func tagOf(k *bpf.RelayFlowKey, ipv6 bool) bpf.RelayFlowTag {
	word := binary.NativeEndian.Uint64
	t := bpf.RelayFlowTag{
		Rest: uint64(k.RemotePort) | uint64(k.LocalPort)<<16 | uint64(k.Channel)<<32,
	}
	if !ipv6 {
		t.Addresses = uint64(binary.NativeEndian.Uint32(k.Remote[12:])) |
			uint64(binary.NativeEndian.Uint32(k.Local[12:]))<<32
		t.Rest |= tagIPv4
		return t
	}
	l0, l1 := word(k.Local[0:]), word(k.Local[8:])
	t.Addresses = word(k.Remote[0:]) ^ word(k.Remote[8:]) ^ (l0<<1 | l0>>63) ^ (l1<<1 | l1>>63)
	t.Rest |= tagIPv6
	return t
}

// hintOf is where a flow's hint lies, and the bits of it beside the slot's index. It
// is the twin of hash_tag and hinted in bpf/flow.h.
func hintOf(t bpf.RelayFlowTag) (set, check uint32) {
	h := (t.Addresses ^ t.Rest*0x9e3779b97f4a7c15) * 0xc2b2ae3d27d4eb4f
	return uint32(h >> (64 - hintSetBits)), uint32(h<<hintSetBits>>32) &^ (1<<hintIndexBits - 1)
}

// setHint gives the slot's flow a hint if there is a way free for it, or if it has one
// already. A flow without a hint is found in the hash.
func (b *Backend) setHint(slot uint32) {
	set, check := hintOf(b.memory.slots[slot].Tag)
	ways := b.memory.hints[set*hintWays:][:hintWays]
	for i := range ways {
		at := atomic.LoadUint32(&ways[i]) & (1<<hintIndexBits - 1)
		if idOf(at) == idOf(slot) || !b.memory.live(at) || !b.inSet(at, set) {
			atomic.StoreUint32(&ways[i], check|slot)
			return
		}
	}
}

// inSet tells whether a slot's flow has its hint in the set: a hint that was never
// written speaks of slot 0.
func (b *Backend) inSet(slot, set uint32) bool {
	is, _ := hintOf(b.memory.slots[slot].Tag)
	return is == set
}
