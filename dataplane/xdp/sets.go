package xdp

import (
	"turnpike.dev/turnpike/bpf"
)

// setTable holds the sets of buckets that flows name. Flows with the same buckets, as the
// streams of a call have them, name one set.
type setTable struct {
	memory    *memory
	ids       ids
	byBuckets map[bpf.RelayBucketSet]*usedSet
}

// usedSet is a set that slots name. The one with number 0 stands for none.
type usedSet struct {
	number  uint32
	entry   bpf.RelayBucketSet
	buckets []*usedBucket
	slots   int
}

// acquire returns the set of these buckets, for one more slot.
func (t *setTable) acquire(of []*usedBucket) (*usedSet, error) {
	if len(of) == 0 {
		return &usedSet{}, nil
	}
	var entry bpf.RelayBucketSet
	for i, u := range of {
		entry.Buckets[i] = uint16(u.number)
	}
	s := t.byBuckets[entry]
	if s == nil {
		n, err := t.ids.take()
		if err != nil {
			return nil, err
		}
		s = &usedSet{number: n, entry: entry, buckets: of}
		t.byBuckets[entry] = s
		t.memory.sets[n] = entry
	}
	s.slots++
	return s, nil
}

// release takes one slot from a set, and tells whether it was the last.
func (t *setTable) release(s *usedSet) bool {
	if s.number == 0 {
		return false
	}
	s.slots--
	if s.slots > 0 {
		return false
	}
	delete(t.byBuckets, s.entry)
	t.ids.rest(s.number)
	return true
}
