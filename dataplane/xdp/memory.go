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

// memory is the process's view of what it shares with the program without system
// calls. The slices lie over the kernel's own memory.
type memory struct {
	heartbeat *uint64
	retired   *uint64  // packets of flows that are gone
	hints     []uint32 // hintWays for each set
	ports     []uint8
	hops      []bpf.RelayHop
	slots     []bpf.RelaySlot
	slots6    []bpf.RelaySlot6
	vlans     [][vlanWays]uint32 // by VLAN number
	buckets   []bpf.RelayBucket
	sets      []bpf.RelayBucketSet
	shares    []bpf.RelayShare
	stats     []bpf.RelayFlowStats
	more      []bpf.RelayMoreSources
	crowd     *bpf.RelayCrowd // nil: closed
	mapped    [][]byte
}

func mapMemory(tables, stats, more, shares, crowd *ebpf.Map) (_ *memory, err error) {
	mem := &memory{}
	defer func() {
		if err != nil {
			mem.unmap()
		}
	}()
	b, err := mem.mmap(tables)
	if err != nil {
		return nil, err
	}
	t := (*bpf.RelayTables)(unsafe.Pointer(&b[0]))
	mem.heartbeat, mem.retired = &t.Heartbeat, &t.Retired
	mem.hints = unsafe.Slice((*uint32)(unsafe.Pointer(&t.Hints)), len(t.Hints)*hintWays)
	mem.ports = t.Ports[:]
	mem.hops = unsafe.Slice((*bpf.RelayHop)(unsafe.Pointer(&t.Hops)), len(t.Hops))
	mem.slots = unsafe.Slice((*bpf.RelaySlot)(unsafe.Pointer(&t.Slots)), len(t.Slots))
	mem.vlans = t.Vlans[:]
	mem.slots6 = unsafe.Slice((*bpf.RelaySlot6)(unsafe.Pointer(&t.Slots6)), len(t.Slots6))
	mem.buckets = unsafe.Slice((*bpf.RelayBucket)(unsafe.Pointer(&t.Buckets)), len(t.Buckets))
	mem.sets = unsafe.Slice((*bpf.RelayBucketSet)(unsafe.Pointer(&t.Sets)), len(t.Sets))
	if b, err = mem.mmap(shares); err != nil {
		return nil, err
	}
	mem.shares = unsafe.Slice((*bpf.RelayShare)(unsafe.Pointer(&b[0])), shares.MaxEntries())
	if b, err = mem.mmap(stats); err != nil {
		return nil, err
	}
	mem.stats = unsafe.Slice((*bpf.RelayFlowStats)(unsafe.Pointer(&b[0])), stats.MaxEntries())
	if b, err = mem.mmap(more); err != nil {
		return nil, err
	}
	mem.more = unsafe.Slice((*bpf.RelayMoreSources)(unsafe.Pointer(&b[0])), more.MaxEntries())
	if b, err = mem.mmap(crowd); err != nil {
		return nil, err
	}
	mem.crowd = (*bpf.RelayCrowd)(unsafe.Pointer(&b[0]))
	return mem, nil
}

// mmap maps an array whose elements are multiples of 8 bytes, as the kernel lays
// elements out.
func (m *memory) mmap(array *ebpf.Map) ([]byte, error) {
	page := os.Getpagesize()
	size := int(array.MaxEntries()) * int(array.ValueSize())
	b, err := unix.Mmap(array.FD(), 0, (size+page-1)&^(page-1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map memory of %s: %w", array, err)
	}
	m.mapped = append(m.mapped, b)
	return b, nil
}

func (m *memory) unmap() {
	for _, b := range m.mapped {
		_ = unix.Munmap(b) // only fails for memory that is not mapped
	}
	m.mapped = nil
}

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
