package xdp

import (
	"hash/fnv"
	"sync/atomic"
	"unsafe"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	// maxSets is MAX_SETS in bpf/layout.h.
	maxSets = 65536
	// maxBatch bounds the bytes that a CPU takes from a bucket beyond what it needs: as much
	// as some fifty packets of video, over which the look at the bucket itself costs nothing.
	maxBatch = 64 << 10
	// batchShare is the part of a bucket's depth that all CPUs together may have taken and
	// not used. The bucket is deeper by as much, so that it holds its depth for whoever
	// comes on whichever CPU; so at most it grants its depth and twice this part at once.
	batchShare = 16
)

// buckets are the buckets that flows share, and the sets of them that flows name.
type buckets struct {
	memory *memory
	cpus   int
	flows  int // as many as there are shares for on a CPU

	numbers ids
	open    map[relay.Group]*usedBucket
	sets    setTable
	// byName are the buckets that an earlier process left, until the sweep.
	byName map[uint64]uint32
}

// usedBucket is a bucket that is open, or that a flow still names.
type usedBucket struct {
	number uint32
	sets   int // that have it; one that has it twice counts twice
	closed bool
}

func newBuckets(m *memory, cpus, flows int) *buckets {
	return &buckets{
		memory: m, cpus: cpus, flows: flows,
		numbers: ids{next: 1, limit: uint32(flows)},
		open:    map[relay.Group]*usedBucket{},
		sets:    setTable{memory: m, ids: ids{next: 1, limit: maxSets}, byBuckets: map[bpf.RelayBucketSet]*usedSet{}},
	}
}

// inherit finds the buckets that an earlier process left, and keeps their numbers and
// those of its sets from being given out.
func (t *buckets) inherit(sets []uint32) {
	t.byName = map[uint64]uint32{}
	for n := range uint32(t.flows) {
		if name := t.memory.buckets[n].Name; name != 0 {
			t.numbers.reserve(n)
			t.byName[name] = n
		}
	}
	t.sets.ids.inherit(sets)
}

// disinherit frees what an earlier process left and nobody took over. No slot names it
// any more.
func (t *buckets) disinherit() {
	for _, n := range t.byName {
		t.free(n)
	}
	clear(t.byName)
	t.sets.ids.disinherit()
}

// free gives a number back that no slot names any more.
func (t *buckets) free(n uint32) {
	b := &t.memory.buckets[n]
	atomic.StoreUint64(&b.Name, 0)
	atomic.StoreUint32(&b.ByteCost, 0)
	t.numbers.rest(n)
}

// take returns a bucket's number: that of the one with this name which an earlier process
// left, or an empty one's.
func (t *buckets) take(name uint64) (uint32, error) {
	if n, ok := t.byName[name]; ok {
		delete(t.byName, name)
		return n, nil
	}
	n, err := t.numbers.take()
	if err != nil {
		return 0, err
	}
	for cpu := range t.cpus {
		t.memory.shares[t.shareIndex(n, cpu)] = bpf.RelayShare{}
	}
	t.memory.buckets[n] = bpf.RelayBucket{}
	atomic.StoreUint64(&t.memory.buckets[n].Name, name)
	return n, nil
}

// shareIndex is where a CPU's part of a bucket lies.
func (t *buckets) shareIndex(n uint32, cpu int) int { return cpu*t.flows + int(n) }

// grant writes what a bucket grants.
func (t *buckets) grant(n uint32, l relay.Limit) {
	b, grant := &t.memory.buckets[n], encodeLimit(l, t.cpus)
	if grant.ByteCost == 0 { // first of all: without depth it would refuse everything
		atomic.StoreUint32(&b.ByteCost, 0)
	}
	atomic.StoreUint32(&b.Batch, grant.Batch)
	atomic.StoreUint32(&b.Depth, grant.Depth)
	atomic.StoreUint32(&b.ByteCost, grant.ByteCost)
}

// encodeLimit is what a bucket grants, as the program has it.
func encodeLimit(l relay.Limit, cpus int) bpf.RelayBucket {
	if l.Kbps == 0 {
		return bpf.RelayBucket{}
	}
	cost, depth := byteCost(l.Kbps), encodeDepth(l.Depth)
	bytes := uint64(depth) << 10 << costShift / uint64(cost)
	batch := min(bytes/uint64(batchShare*cpus), maxBatch)
	apart := uint64(cpus) * batch * uint64(cost) >> costShift
	return bpf.RelayBucket{ByteCost: cost, Batch: uint32(batch), Depth: depth + uint32(apart>>10)}
}

// hashName is a bucket's name as the kernel keeps it; never 0.
func hashName(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it returns no error
	return h.Sum64() | 1
}

// OpenGroup makes a bucket.
func (b *Backend) OpenGroup(g relay.Group, l relay.Limit) (*atomic.Uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buckets.take(hashName(l.Name))
	if err != nil {
		return nil, err
	}
	b.buckets.open[g] = &usedBucket{number: n}
	b.buckets.grant(n, l)
	return (*atomic.Uint64)(unsafe.Pointer(&b.memory.buckets[n].Tat)), nil
}

// SetGroup changes what a bucket grants.
func (b *Backend) SetGroup(g relay.Group, l relay.Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u := b.buckets.open[g]; u != nil {
		b.buckets.grant(u.number, l)
	}
}

// CloseGroup lets go of a bucket. It limits nothing from now on, and is another's when no
// flow names it any more.
func (b *Backend) CloseGroup(g relay.Group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.buckets.open[g]
	if u == nil {
		return
	}
	delete(b.buckets.open, g)
	u.closed = true
	// Even, so no group's: it keeps the number from the next process while a flow names it.
	atomic.StoreUint64(&b.memory.buckets[u.number].Name, uint64(u.number)<<1)
	atomic.StoreUint32(&b.memory.buckets[u.number].ByteCost, 0)
	b.buckets.freeUnused(u)
}

func (t *buckets) freeUnused(u *usedBucket) {
	if u.closed && u.sets == 0 {
		t.free(u.number)
	}
}

// GroupStats is what the program took from a bucket.
func (b *Backend) GroupStats(g relay.Group) (sum relay.GroupStats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.buckets.open[g]
	if u == nil {
		return sum
	}
	for cpu := range b.cpus {
		s := &b.memory.shares[b.buckets.shareIndex(u.number, cpu)]
		sum.Add(relay.GroupStats{
			Packets: atomic.LoadUint64(&s.Packets), Bytes: atomic.LoadUint64(&s.Bytes),
			Policed: atomic.LoadUint64(&s.Policed), PolicedBytes: atomic.LoadUint64(&s.PolicedBytes),
		})
	}
	return sum
}

// acquire returns the set of a flow's groups, those that are open, for one more slot.
func (t *buckets) acquire(f *relay.Flow) (*usedSet, error) {
	var of []*usedBucket
	for _, g := range f.Groups {
		if u := t.open[g]; u != nil {
			of = append(of, u)
		}
	}
	s, err := t.sets.acquire(of)
	if err == nil && s.slots == 1 {
		for _, u := range of {
			u.sets++
		}
	}
	return s, err
}

// release takes one slot from a set.
func (t *buckets) release(s *usedSet) {
	if !t.sets.release(s) {
		return
	}
	for _, u := range s.buckets { // one that it had twice reaches zero once
		u.sets--
		t.freeUnused(u)
	}
}
