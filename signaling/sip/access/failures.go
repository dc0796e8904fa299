package access

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// How many wrong passwords one source may try with one name, and how soon it may try
// another. What is over looks like a wrong password too, and is not looked at.
const (
	failureBurst = 20
	failureEvery = 5 * time.Second
)

// The table is of a fixed size: a flood of sources must not cost memory.
const (
	failureSets = 2048
	failureWays = 4
)

// debt is what one source and name has used up: it is free again at the time until.
type debt struct {
	tag   uint64 // 0: free
	until time.Time
}

// failures counts wrong passwords. Where a set is full, the smallest debt is forgotten.
type failures struct {
	mu   sync.Mutex
	seed maphash.Seed
	sets [failureSets][failureWays]debt
}

func newFailures() *failures { return &failures{seed: maphash.MakeSeed()} }

// may says whether a source may try a name.
func (f *failures) may(source netip.Addr, user string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.find(f.tag(source, user))
	return d == nil || d.until.Sub(now) <= (failureBurst-1)*failureEvery
}

// count notes a wrong password.
func (f *failures) count(source netip.Addr, user string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tag := f.tag(source, user)
	d := f.find(tag)
	if d == nil {
		set := &f.sets[tag/2%failureSets] // the lowest bit is always set
		d = &set[0]
		for i := range set {
			if set[i].until.Before(d.until) {
				d = &set[i]
			}
		}
		*d = debt{tag: tag}
	}
	if d.until.Before(now) {
		d.until = now
	}
	d.until = d.until.Add(failureEvery)
}

// clear forgets what a source tried with a name.
func (f *failures) clear(source netip.Addr, user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.find(f.tag(source, user)); d != nil {
		*d = debt{}
	}
}

func (f *failures) find(tag uint64) *debt {
	set := &f.sets[tag/2%failureSets]
	for i := range set {
		if set[i].tag == tag {
			return &set[i]
		}
	}
	return nil
}

// tag is of an address and a name; of IPv6 the /64 counts, which one subscriber has at
// least.
func (f *failures) tag(source netip.Addr, user string) uint64 {
	source = source.Unmap()
	if source.Is6() {
		p, _ := source.Prefix(64) // cannot fail: 64 fits IPv6
		source = p.Addr()
	}
	return (maphash.Comparable(f.seed, source) ^ maphash.String(f.seed, user)) | 1
}
