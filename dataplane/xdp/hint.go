package xdp

import (
	"encoding/binary"

	"turnpike.dev/turnpike/bpf"
)

const hintBits = 17 // HINT_BITS in bpf/layout.h

// hintIndex is the twin of hint_index in bpf/flow.h.
func hintIndex(k *bpf.RelayFlowKey) uint32 {
	word := func(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
	r := k.Remote[:]
	ports := uint32(k.RemotePort)<<16 | uint32(k.LocalPort)
	h := (word(r[0:]) ^ word(r[4:]) ^ word(r[8:]) ^ word(r[12:])) * 0x9e3779b1
	h = (h ^ ports) * 0x85ebca77
	h = (h ^ uint32(k.Channel) ^ word(k.Local[12:])) * 0xc2b2ae3d
	return h >> (32 - hintBits)
}
