package userspace

import (
	"sync/atomic"

	"turnpike.dev/turnpike/bpf"
)

// reasons counts datagrams by the reason they left. Each loop has its own, so that
// loops do not write to one cache line.
type reasons struct {
	count [bpf.ReasonCount]atomic.Uint64
	_     [64]byte
}

func (r *reasons) add(why bpf.Reason, n int) { r.count[why].Add(uint64(n)) }

func (r *reasons) read() (sum [bpf.ReasonCount]uint64) {
	for i := range sum {
		sum[i] = r.count[i].Load()
	}
	return sum
}
