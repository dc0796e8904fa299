package xdp

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// installed is a flow that the kernel has.
type installed struct {
	flow  relay.Flow
	lease time.Time
	slot  uint32 // the one of the flow's two slots that is live
	hop   *usedHop
	set   *usedSet
	grace uint64 // when this many grace periods are over, the other slot is unused
	// waiting: the slot is still as an earlier process left it; see takeOver.
	waiting bool
}

// idOf returns the flow's number for either of its slots.
func idOf(slot uint32) uint32 { return slot & (maxFlows - 1) }

// twin returns the flow's other slot.
func twin(slot uint32) uint32 { return slot ^ maxFlows }

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
	set, err := b.buckets.acquire(&f)
	if err != nil {
		return 0, err
	}
	id, err := b.ids.take()
	if err != nil {
		b.buckets.release(set)
		return 0, err
	}
	in := &installed{flow: f, lease: lease, slot: id, hop: b.hopFor(f), set: set}
	b.clearStats(id)
	b.memory.slots[twin(id)].Tat = 0
	b.write(in)
	if err := b.point(key, in.slot); err != nil {
		b.memory.killSlot(in.slot)
		b.releaseAll(in)
		b.ids.rest(id)
		return 0, err
	}
	b.flows[id] = in
	b.byKey[key] = id
	return relay.FlowID(id), nil
}

// takeOver makes an entry that an earlier process left this one's: its counters and
// its place stay, and no packet is lost. Until Activate it goes on as it is: what it was
// joined to may be installed only later.
func (b *Backend) takeOver(key bpf.RelayFlowKey, slot uint32, f relay.Flow, lease time.Time) (relay.FlowID, error) {
	id := idOf(slot)
	in := &installed{flow: f, lease: lease, slot: slot, hop: &usedHop{}, set: &usedSet{}, waiting: true}
	if b.active {
		if err := b.swap(in, f, lease); err != nil {
			return 0, err
		}
	} else {
		b.memory.setLease(slot, encodeLease(lease))
	}
	delete(b.orphans, key)
	b.flows[id] = in
	b.byKey[key] = id
	return relay.FlowID(id), nil
}

// takeOverWaiting gives what was taken over the form that it has by now.
func (b *Backend) takeOverWaiting() {
	for _, in := range b.flows {
		if !in.waiting {
			continue
		}
		if err := b.swap(in, in.flow, in.lease); err != nil {
			b.erase(encodeKey(in.flow.Key), in.slot)
			in.waiting, in.hop = false, &usedHop{reason: err.Error()} // its set is none
		}
	}
}

// Replace changes what becomes of a flow's packets; the key stays.
func (b *Backend) Replace(id relay.FlowID, f relay.Flow, lease time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, ok := b.flows[uint32(id)]
	if !ok {
		return relay.ErrNotFound
	}
	if in.waiting {
		in.flow, in.lease = f, lease
		b.memory.setLease(in.slot, encodeLease(lease))
		return nil
	}
	return b.swap(in, f, lease)
}

// swap writes the flow's other slot and points the look-ups at it.
func (b *Backend) swap(in *installed, f relay.Flow, lease time.Time) error {
	if in.grace > b.ids.grace {
		b.ids.waitGrace()
	}
	set, err := b.buckets.acquire(&f)
	if err != nil {
		return err
	}
	next := installed{flow: f, lease: lease, slot: twin(in.slot), hop: b.hopFor(f), set: set}
	b.write(&next)
	if err := b.point(encodeKey(f.Key), next.slot); err != nil {
		b.memory.killSlot(next.slot)
		b.releaseAll(&next)
		return err
	}
	b.memory.killSlot(in.slot)
	b.releaseAll(in)
	next.grace = b.ids.grace + 1
	*in = next
	return nil
}

// write fills a slot that no look-up points at.
func (b *Backend) write(in *installed) {
	s, s6 := encodeFlow(in.flow)
	s.Lease = encodeLease(in.lease)
	s.Tat = atomic.LoadUint64(&b.memory.slots[twin(in.slot)].Tat)
	s.Hop, s.Set = uint16(in.hop.number), uint16(in.set.number)
	b.memory.writeSlot(in.slot, s, s6)
}

// releaseAll releases what a slot named that is not live any more.
func (b *Backend) releaseAll(in *installed) {
	b.release(in.hop)
	b.buckets.release(in.set)
}

// point makes look-ups of the key find the slot.
func (b *Backend) point(key bpf.RelayFlowKey, slot uint32) error {
	if err := b.maps.Flows.Put(&key, slot); err != nil {
		if isFull(err) {
			return relay.ErrFull
		}
		return fmt.Errorf("add flow: %w", err)
	}
	b.setHint(slot)
	return nil
}

// Lease moves the time at which the kernel stops relaying the flow by itself.
func (b *Backend) Lease(id relay.FlowID, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if in, ok := b.flows[uint32(id)]; ok {
		in.lease = until
		b.memory.setLease(in.slot, encodeLease(until))
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
	*b.memory.retired += counters.Packets
	b.releaseAll(in)
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
			*b.memory.retired += b.packets(idOf(slot))
			b.ids.rest(idOf(slot))
		}
	}
	for key, id := range b.byKey {
		if slot, ok := found[key]; !ok || slot != b.flows[id].slot {
			strays++
			err = errors.Join(err, b.point(key, b.flows[id].slot))
		}
	}
	b.hops.ids.disinherit()
	b.swept = true
	b.disinherit()
	more, gateErr := b.gate.sweep()
	return strays + more, errors.Join(err, gateErr)
}

// disinherit frees the buckets that an earlier process left. Until the sweep they may be
// opened again, and until Activate slots of that process name them.
func (b *Backend) disinherit() {
	if b.swept && b.active {
		b.buckets.disinherit()
	}
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
	var numbers, hops, sets []uint32
	for _, slot := range found {
		numbers = append(numbers, idOf(slot))
		hops = append(hops, uint32(b.memory.slots[slot].Hop))
		sets = append(sets, uint32(b.memory.slots[slot].Set))
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		b.ids.reserve(n)
	}
	slices.Sort(hops)
	b.hops.ids.inherit(slices.Compact(hops))
	slices.Sort(sets)
	b.buckets.inherit(slices.Compact(sets))
	return nil
}

// refresh brings next hops up to date, and the flows whose routes lead elsewhere now.
func (b *Backend) refresh() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renewHops()
	for _, in := range b.flows {
		h, reason := b.router.next(in.flow.Out.Src.Addr(), in.flow.Out.Dst.Addr())
		if reason == "" && h == in.hop.hop || reason != "" && reason == in.hop.reason {
			continue
		}
		if err := b.swap(in, in.flow, in.lease); err != nil {
			in.hop.reason = err.Error() // tried again at the next look
		}
	}
}
