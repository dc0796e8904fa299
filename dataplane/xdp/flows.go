package xdp

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// installed is a flow that the kernel has.
type installed struct {
	flow  relay.Flow
	slot  uint32 // the one of the flow's two slots that is live
	hop   hop
	grace uint64 // when this many grace periods are over, the other slot is unused
}

// Install gives the kernel a flow. It is relayed when Install returns, unless Reason
// says why not; its packets are then left to the process.
func (b *Backend) Install(f relay.Flow, lease time.Time) (relay.FlowID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Sink != nil || f.Stream {
		return 0, errors.New("the client is on TCP or TLS")
	}
	key := encodeKey(f.Key)
	if _, ok := b.byKey[key]; ok {
		return 0, relay.ErrExists
	}
	if slot, ok := b.orphans[key]; ok {
		return b.takeOver(key, slot, f, lease)
	}
	id, err := b.ids.take()
	if err != nil {
		return 0, err
	}
	in := &installed{flow: f, slot: id * 2, hop: b.router.next(f.Out.Src.Addr(), f.Out.Dst.Addr())}
	b.clearStats(id)
	b.memory.slots[in.slot^1].Tat = 0
	b.write(id, in, lease)
	if err := b.point(key, in.slot); err != nil {
		b.memory.killSlot(in.slot)
		b.ids.rest(id)
		return 0, err
	}
	b.flows[id] = in
	b.byKey[key] = id
	return relay.FlowID(id), nil
}

// takeOver makes an entry that an earlier process left this one's: its counters and
// its place stay, and no packet is lost.
func (b *Backend) takeOver(key bpf.RelayFlowKey, slot uint32, f relay.Flow, lease time.Time) (relay.FlowID, error) {
	id := slot / 2
	in := &installed{flow: f, slot: slot, hop: b.router.next(f.Out.Src.Addr(), f.Out.Dst.Addr())}
	if err := b.swap(id, in, f, in.hop, lease); err != nil {
		return 0, err
	}
	delete(b.orphans, key)
	b.flows[id] = in
	b.byKey[key] = id
	return relay.FlowID(id), nil
}

// Replace changes what becomes of a flow's packets; the key stays.
func (b *Backend) Replace(id relay.FlowID, f relay.Flow, lease time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, ok := b.flows[uint32(id)]
	if !ok {
		return relay.ErrNotFound
	}
	return b.swap(uint32(id), in, f, b.router.next(f.Out.Src.Addr(), f.Out.Dst.Addr()), lease)
}

// swap writes the flow's other slot and points the look-ups at it.
func (b *Backend) swap(id uint32, in *installed, f relay.Flow, h hop, lease time.Time) error {
	if in.grace > b.ids.grace {
		b.ids.waitGrace()
	}
	next := *in
	next.flow, next.hop, next.slot = f, h, in.slot^1
	b.write(id, &next, lease)
	if err := b.point(encodeKey(f.Key), next.slot); err != nil {
		b.memory.killSlot(next.slot)
		return err
	}
	b.memory.killSlot(in.slot)
	next.grace = b.ids.grace + 1
	*in = next
	return nil
}

// write fills a slot that no look-up points at.
func (b *Backend) write(id uint32, in *installed, lease time.Time) {
	var s bpf.RelaySlot
	encodeFlow(&s, in.flow)
	s.Stats = id * uint32(b.cpus)
	s.Lease = toMonotonic(lease)
	s.Tat = atomic.LoadUint64(&b.memory.slots[in.slot^1].Tat)
	b.encodeHop(&s, in.hop)
	b.memory.writeSlot(in.slot, &s)
}

func (b *Backend) encodeHop(s *bpf.RelaySlot, h hop) {
	if h.reason != "" {
		s.Flags |= uint8(bpf.RelaySlotFlagsNO_NEIGHBOUR)
		s.Mtu = 1<<16 - 1
		return
	}
	tx, err := b.txIndex(h.ifindex)
	if err != nil {
		s.Flags |= uint8(bpf.RelaySlotFlagsNO_NEIGHBOUR)
	}
	s.Tx = uint16(tx)
	s.Ifindex = uint32(h.ifindex)
	s.Mtu = uint16(min(h.mtu, 1<<16-1))
	s.Macs = h.macs
}

// point makes look-ups of the key find the slot.
func (b *Backend) point(key bpf.RelayFlowKey, slot uint32) error {
	if err := b.maps.Flows.Put(&key, slot); err != nil {
		if errors.Is(err, ebpf.ErrKeyExist) || isFull(err) {
			return relay.ErrFull
		}
		return fmt.Errorf("add flow: %w", err)
	}
	// A hint belongs to the first flow that wants it; a flow without one is found in
	// the hash. One that was never set says slot 0, whose flow wants another.
	index := hintIndex(b.memory.slots[slot].Tag)
	hint := b.memory.hint(index)
	at := atomic.LoadUint32(hint)
	if at/2 == slot/2 || !b.memory.live(at) || hintIndex(b.memory.slots[at].Tag) != index {
		atomic.StoreUint32(hint, slot)
	}
	return nil
}

// Lease moves the time at which the kernel stops relaying the flow by itself.
func (b *Backend) Lease(id relay.FlowID, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if in, ok := b.flows[uint32(id)]; ok {
		b.memory.setLease(in.slot, toMonotonic(until))
	}
}

// Remove returns when the program finds the flow no more. It returns its counters.
func (b *Backend) Remove(id relay.FlowID) relay.Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, ok := b.flows[uint32(id)]
	if !ok {
		return relay.Counters{}
	}
	key := encodeKey(in.flow.Key)
	b.erase(key, in.slot)
	counters := b.read(uint32(id))
	b.retired += counters.Packets
	delete(b.flows, uint32(id))
	delete(b.byKey, key)
	b.ids.rest(uint32(id))
	return counters
}

func (b *Backend) erase(key bpf.RelayFlowKey, slot uint32) {
	b.memory.killSlot(slot)
	// A key that is not there is what is wanted.
	_ = b.maps.Flows.Delete(&key)
}

// Reason says why the kernel does not relay the flow now; empty when it does.
func (b *Backend) Reason(id relay.FlowID) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, ok := b.flows[uint32(id)]
	if !ok {
		return relay.ErrNotFound.Error()
	}
	if why := b.ingressReason(in.flow.Key.Local.Addr()); why != "" {
		return why
	}
	return in.hop.reason
}

// Sweep puts the kernel's tables right: what this process did not install goes, what
// it did install and is missing comes back. It returns how many entries were wrong.
func (b *Backend) Sweep() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.orphans)
	found, err := b.readFlows()
	if err != nil {
		return 0, err
	}
	strays := 0
	for key, slot := range found {
		if _, ours := b.byKey[key]; !ours {
			strays++
			b.erase(key, slot)
			b.ids.rest(slot / 2)
		}
	}
	for key, id := range b.byKey {
		if slot, ok := found[key]; !ok || slot != b.flows[id].slot {
			strays++
			err = errors.Join(err, b.point(key, b.flows[id].slot))
		}
	}
	more, gateErr := b.gate.sweep()
	return strays + more, errors.Join(err, gateErr)
}

// readFlows reads the kernel's flows.
func (b *Backend) readFlows() (map[bpf.RelayFlowKey]uint32, error) {
	found := map[bpf.RelayFlowKey]uint32{}
	var key bpf.RelayFlowKey
	var slot uint32
	entries := b.maps.Flows.Iterate()
	for entries.Next(&key, &slot) {
		found[key] = slot
	}
	if err := entries.Err(); err != nil {
		return nil, fmt.Errorf("read the kernel's flows: %w", err)
	}
	return found, nil
}

// findOrphans reads the flows that an earlier process left.
func (b *Backend) findOrphans() error {
	found, err := b.readFlows()
	if err != nil {
		return err
	}
	b.orphans = found
	var numbers []uint32
	for _, slot := range found {
		numbers = append(numbers, slot/2)
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		b.ids.reserve(n)
	}
	return nil
}

// refresh goes through all flows and changes those whose next hop changed.
func (b *Backend) refresh() {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := map[neighbourKey]bool{}
	for id, in := range b.flows {
		h := b.router.next(in.flow.Out.Src.Addr(), in.flow.Out.Dst.Addr())
		used[neighbourKey{h.ifindex, h.via}] = true
		if h == in.hop {
			continue
		}
		lease := fromMonotonic(atomic.LoadUint64(&b.memory.slots[in.slot].Lease))
		if err := b.swap(id, in, in.flow, h, lease); err != nil {
			in.hop.reason = err.Error() // tried again at the next look
		}
	}
	b.router.releaseUnused(used)
}
