package xdp

import (
	"sync/atomic"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// maxHops is the size of the program's table of next hops. Number 0 is the one that is
// never usable.
const maxHops = 65536

// hopTable holds the next hops that flows go to.
type hopTable struct {
	memory *memory
	ids    ids
	byHop  map[hop]*usedHop
}

// usedHop is a next hop that flows go to. The zero value stands for none.
type usedHop struct {
	hop    hop
	number uint32
	flows  int
	entry  bpf.RelayHop
	reason string // why the program cannot send there
}

func newHopTable(memory *memory) *hopTable {
	return &hopTable{memory: memory, ids: ids{next: 1, limit: maxHops}, byHop: map[hop]*usedHop{}}
}

// acquire returns the entry for a next hop, for one more flow.
func (b *Backend) acquire(h hop) (*usedHop, error) {
	t := b.hops
	if u, ok := t.byHop[h]; ok {
		u.flows++
		return u, nil
	}
	n, err := t.ids.take()
	if err != nil {
		return nil, err
	}
	u := &usedHop{hop: h, number: n, flows: 1}
	t.byHop[h] = u
	u.entry, u.reason = b.resolve(h)
	t.write(u)
	return u, nil
}

// resolve is a next hop's entry as it should be by what the system is now.
func (b *Backend) resolve(h hop) (bpf.RelayHop, string) {
	entry, reason := b.router.resolve(h)
	if reason != "" {
		return entry, reason
	}
	tx, err := b.txIndex(b.router.devices[h.ifindex].under)
	if err != nil {
		return bpf.RelayHop{}, err.Error()
	}
	entry.Tx = uint16(tx)
	return entry, ""
}

// renewHops brings all entries up to date with the system. Packets may be reading those
// that change: they are unusable until none does, and in that time the process relays.
func (b *Backend) renewHops() {
	var changed []*usedHop
	wait := false
	for _, u := range b.hops.byHop {
		entry, reason := b.resolve(u.hop)
		u.reason = reason
		if entry == u.entry {
			continue
		}
		if u.entry.Usable != 0 {
			atomic.StoreUint32(&b.memory.hops[u.number].Usable, 0)
			wait = true
		}
		u.entry = entry
		changed = append(changed, u)
	}
	if wait {
		b.hops.ids.waitGrace()
	}
	for _, u := range changed {
		b.hops.write(u)
	}
}

// write fills an entry that no packet uses, and makes it usable last.
func (t *hopTable) write(u *usedHop) {
	at, entry := &t.memory.hops[u.number], u.entry
	entry.Usable = 0
	atomic.StoreUint32(&at.Usable, 0)
	*at = entry
	atomic.StoreUint32(&at.Usable, u.entry.Usable)
}

// release takes one flow from a next hop.
func (b *Backend) release(u *usedHop) {
	u.flows--
	if u.flows > 0 || u.number == 0 {
		return
	}
	delete(b.hops.byHop, u.hop)
	b.router.release(u.hop)
	b.hops.ids.rest(u.number)
}

// hopFor finds the next hop for a flow. Without one the flow has the entry that is
// never usable, and its packets are left to the process.
func (b *Backend) hopFor(f relay.Flow) *usedHop {
	h, reason := b.router.next(f.Out.Src.Addr(), f.Out.Dst.Addr())
	if reason != "" {
		return &usedHop{reason: reason}
	}
	u, err := b.acquire(h)
	if err != nil {
		return &usedHop{reason: "the table of next hops is full"}
	}
	return u
}
