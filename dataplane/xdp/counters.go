package xdp

import (
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// Counters reads the flow's counters: those of every CPU, put together.
func (b *Backend) Counters(id relay.FlowID) relay.Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.flows[uint32(id)]; !ok {
		return relay.Counters{}
	}
	return b.read(uint32(id))
}

// SetClock sets the RTP clock that jitter is measured with.
func (b *Backend) SetClock(id relay.FlowID, hz uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if in, ok := b.flows[uint32(id)]; ok {
		in.flow.ClockHz = hz
		atomic.StoreUint32(&b.memory.slots[in.slot].RtpMult, rtpMult(hz))
	}
}

// statsIndex is where a flow's counters on a CPU lie.
func (b *Backend) statsIndex(id uint32, cpu int) int { return cpu*b.cfg.MaxFlows + int(id) }

func (b *Backend) clearStats(id uint32) {
	for cpu := range b.cpus {
		i := b.statsIndex(id, cpu)
		b.memory.stats[i], b.memory.more[i] = bpf.RelayFlowStats{}, bpf.RelayMoreSources{}
	}
}

func (b *Backend) read(id uint32) relay.Counters {
	var c relay.Counters
	for cpu := range b.cpus {
		i := b.statsIndex(id, cpu)
		c.Add(ofCPU(&b.memory.stats[i], &b.memory.more[i]))
	}
	return c
}

// ofCPU reads what one CPU counted. It is written while it is read: each number is
// whole, and the next reading has what this one lacks.
func ofCPU(st *bpf.RelayFlowStats, more *bpf.RelayMoreSources) relay.Counters {
	c := relay.Counters{
		Packets:  atomic.LoadUint64(&st.Packets),
		Bytes:    atomic.LoadUint64(&st.Bytes),
		Policed:  atomic.LoadUint64(&st.Policed),
		LastSeen: fromMonotonic(atomic.LoadUint64(&st.LastSeen)),
	}
	for _, r := range [...]bpf.RelayRtpSource{st.Rtp, more.Rtp[0], more.Rtp[1]} {
		if r.Received == 0 && r.LostBefore == 0 {
			continue
		}
		c.RTP = append(c.RTP, relay.RTP{
			SSRC: swap32(r.Ssrc), Received: uint64(r.Received), LostBefore: uint64(int64(int32(r.LostBefore))),
			First: uint32(r.BaseSeq), Last: uint32(r.Cycles)<<16 + uint32(r.MaxSeq),
			Jitter: r.Jitter, Timestamp: r.Timestamp, Arrival: r.Arrival,
		})
	}
	return c
}

// Reasons counts the packets by the reason they left the program.
func (b *Backend) Reasons() [bpf.ReasonCount]uint64 {
	var sums [bpf.ReasonCount]uint64
	for reason := range sums {
		if bpf.Reason(reason) == bpf.ReasonForwarded {
			sums[reason] = b.forwarded()
			continue
		}
		var perCPU []uint64
		if err := b.maps.Exits.Lookup(uint32(reason), &perCPU); err != nil {
			continue // the map is ours and has every reason
		}
		for _, n := range perCPU {
			sums[reason] += n
		}
	}
	return sums
}

// forwarded adds up what the flows count: the program does not count it twice.
func (b *Backend) forwarded() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := *b.memory.retired
	for id := range b.flows {
		sum += b.packets(id)
	}
	for _, slot := range b.orphans {
		sum += b.packets(idOf(slot))
	}
	return sum
}

func (b *Backend) packets(id uint32) (sum uint64) {
	for cpu := range b.cpus {
		sum += b.packetsOn(id, cpu)
	}
	return sum
}

func (b *Backend) packetsOn(id uint32, cpu int) uint64 {
	return atomic.LoadUint64(&b.memory.stats[b.statsIndex(id, cpu)].Packets)
}

// beat is how often the process says that it lives.
const beat = 100 * time.Millisecond
