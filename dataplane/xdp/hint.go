package xdp

import (
	"encoding/binary"

	"turnpike.dev/turnpike/bpf"
)

const hintBits = 17 // HINT_BITS in bpf/layout.h

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

// hintIndex is the twin of hint_index in bpf/flow.h.
func hintIndex(t bpf.RelayFlowTag) uint32 {
	h := (t.Addresses ^ t.Rest*0x9e3779b97f4a7c15) * 0xc2b2ae3d27d4eb4f
	return uint32(h >> (64 - hintBits))
}
