package xdp

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
)

// memory is the process's view of the maps that it shares with the program without
// system calls. The slices lie over the kernel's own memory.
type memory struct {
	slots  []bpf.RelaySlot
	slots6 []bpf.RelaySlot6
	hints  []uint32 // hintWays for each set
	hops   []bpf.RelayHop
	stats  []bpf.RelayFlowStats
	ports  []uint8
	owner  *bpf.RelayOwner
	mapped [][]byte
}

func mapMemory(m *bpf.RelayMaps) (_ *memory, err error) {
	mem := &memory{}
	defer func() {
		if err != nil {
			mem.unmap()
		}
	}()
	if mem.slots, err = view[bpf.RelaySlot](mem, m.Slots); err != nil {
		return nil, err
	}
	if mem.slots6, err = view[bpf.RelaySlot6](mem, m.Slots6); err != nil {
		return nil, err
	}
	if mem.hints, err = view[uint32](mem, m.Hints); err != nil {
		return nil, err
	}
	if mem.hops, err = view[bpf.RelayHop](mem, m.Hops); err != nil {
		return nil, err
	}
	if mem.stats, err = view[bpf.RelayFlowStats](mem, m.Stats); err != nil {
		return nil, err
	}
	if mem.ports, err = view[uint8](mem, m.Ports); err != nil {
		return nil, err
	}
	owners, err := view[bpf.RelayOwner](mem, m.Owners)
	if err != nil {
		return nil, err
	}
	mem.owner = &owners[0]
	return mem, nil
}

// view maps an array as elements of T, or of parts of an element. The kernel lays the
// elements out in multiples of 8 bytes.
func view[T any](mem *memory, m *ebpf.Map) ([]T, error) {
	var zero T
	stride := (int(m.ValueSize()) + 7) &^ 7
	page := os.Getpagesize()
	bytes := int(m.MaxEntries()) * stride
	b, err := unix.Mmap(m.FD(), 0, (bytes+page-1)&^(page-1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map memory of %s: %w", m, err)
	}
	mem.mapped = append(mem.mapped, b)
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), bytes/int(unsafe.Sizeof(zero))), nil
}

func (m *memory) unmap() {
	for _, b := range m.mapped {
		_ = unix.Munmap(b) // only fails for memory that is not mapped
	}
	m.mapped = nil
}

// portKind is where the kind of a port lies: arrays of bytes have a stride of 8.
func (m *memory) setPort(port uint16, kind uint8) { m.ports[int(port)*8] = kind }

func (m *memory) portKind(port uint16) uint8 { return m.ports[int(port)*8] }

// writeSlot fills a slot that no packet uses and makes it live last: a tag without a
// family is no packet's.
func (m *memory) writeSlot(index uint32, s bpf.RelaySlot, s6 bpf.RelaySlot6) {
	at := &m.slots[index]
	rest := s.Tag.Rest
	m.killSlot(index)
	s.Tag.Rest = 0
	*at, m.slots6[index] = s, s6
	atomic.StoreUint64(&at.Tag.Rest, rest)
}

func (m *memory) killSlot(index uint32) { atomic.StoreUint64(&m.slots[index].Tag.Rest, 0) }

func (m *memory) live(index uint32) bool { return atomic.LoadUint64(&m.slots[index].Tag.Rest) != 0 }

func (m *memory) setLease(index, lease uint32) { atomic.StoreUint32(&m.slots[index].Lease, lease) }
