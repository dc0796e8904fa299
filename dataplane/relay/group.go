package relay

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Group names a bucket that several flows take from: a call's direction, or a pipe's
// (BW-06). It is of one table, and not used again within a process. 0: none.
type Group uint32

// MaxGroups is how many groups a flow takes from at most. Two flows of this node that
// follow each other are one in the kernel as long as they have no more together.
const MaxGroups = 16

const (
	// CallDepth is how much of a call's grant may come at once.
	CallDepth = time.Second
	// PipeDepth is how much of a pipe's. It is more than a call's with what the batches of
	// CPUs add to one (an eighth at most), so calls that keep to their grants lose nothing on a
	// pipe that has room for all of them, not even when all begin at the same moment.
	PipeDepth = 2 * time.Second
)

// DefaultMargin is what a group grants beyond its rate, in percent, until SetMargin says
// otherwise: room for RTCP, which is at most 5 % of a session (RFC 3550 section 6.2), and
// for what is sent again.
const DefaultMargin = 10

// Policer has the buckets that flows share. A packet is counted as payload without the
// headers of IP, UDP, ChannelData and RTP, RTCP whole, and is taken from each of its
// flow's groups, or from none when one of them has too little.
type Policer interface {
	// OpenGroup makes a bucket that grants so much, and the margin on top. 0 kbps: it
	// limits nothing, and counts. depth is how much may come at once; less than a second
	// means a second. A bucket that an earlier process left in the kernel under this
	// name is taken over with its counters and what it holds.
	OpenGroup(name string, kbps uint32, depth time.Duration) (Group, error)
	// SetGroup changes what is granted, at once; what was spent stays spent.
	SetGroup(g Group, kbps uint32, depth time.Duration) error
	// CloseGroup lets go of a bucket. Flows that still have it go on without. Of an
	// unknown group nothing becomes.
	CloseGroup(g Group)
	// GroupStats is what was taken from a bucket since it was opened; of an unknown
	// group nothing.
	GroupStats(g Group) GroupStats
}

// GroupStats are a group's counters, over its flows and both back ends. Bytes are what
// the bucket counts: payload without headers.
type GroupStats struct {
	Packets      uint64 `json:"packets"`
	Bytes        uint64 `json:"bytes"`
	Policed      uint64 `json:"policed"` // dropped for want of this group's grant, none of another's
	PolicedBytes uint64 `json:"policed_bytes"`
}

// Add puts in what others counted.
func (s *GroupStats) Add(other GroupStats) {
	s.Packets += other.Packets
	s.Bytes += other.Bytes
	s.Policed += other.Policed
	s.PolicedBytes += other.PolicedBytes
}

// GroupInfo is a group as it stands.
type GroupInfo struct {
	Name  string     `json:"name"`
	Kbps  uint32     `json:"kbps"` // granted, without the margin
	Stats GroupStats `json:"stats"`
}

// Limit is a group as the back ends are told it.
type Limit struct {
	Name  string
	Kbps  uint32 // with the margin; 0: no limit
	Depth time.Duration
}

// group is what the table knows of one.
type group struct {
	name     string
	kbps     uint32
	depth    time.Duration
	inKernel bool
}

// maxGroups bounds the groups of a table: two for each of as many calls as it has flows.
const maxGroups = 1 << 17

var _ Policer = (*Engine)(nil)

func (e *Engine) limit(g *group) Limit {
	const most = 1<<32 - 1
	kbps := uint64(g.kbps) * uint64(100+e.margin) / 100
	return Limit{Name: g.name, Kbps: uint32(min(kbps, most)), Depth: max(g.depth, time.Second)}
}

// SetMargin changes what all groups grant beyond their rates, in percent
// (bandwidth.policing_margin).
func (e *Engine) SetMargin(percent int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.margin = max(percent, 0)
	for id, g := range e.groups {
		e.setGroup(id, g)
	}
}

// OpenGroup makes a bucket. ErrFull when there are too many; one that only the kernel has
// no room for is the process's alone, and so are its flows.
func (e *Engine) OpenGroup(name string, kbps uint32, depth time.Duration) (Group, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.groups) >= maxGroups {
		return 0, fmt.Errorf("open policer group %s: %w", name, ErrFull)
	}
	for e.lastGroup++; e.lastGroup == 0 || e.groups[e.lastGroup] != nil; {
		e.lastGroup++
	}
	id, g := e.lastGroup, &group{name: name, kbps: kbps, depth: depth}
	var full *atomic.Uint64
	if e.kernel != nil {
		var err error
		full, err = e.kernel.OpenGroup(id, e.limit(g))
		g.inKernel = err == nil
	}
	e.process.OpenGroup(id, e.limit(g), full)
	e.groups[id] = g
	return id, nil
}

// SetGroup changes what a bucket grants. ErrNotFound when it is not open.
func (e *Engine) SetGroup(id Group, kbps uint32, depth time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	g, ok := e.groups[id]
	if !ok {
		return fmt.Errorf("change policer group %d: %w", id, ErrNotFound)
	}
	g.kbps, g.depth = kbps, depth
	e.setGroup(id, g)
	return nil
}

func (e *Engine) setGroup(id Group, g *group) {
	e.process.SetGroup(id, e.limit(g))
	if g.inKernel {
		e.kernel.SetGroup(id, e.limit(g))
	}
}

// CloseGroup lets go of a bucket.
func (e *Engine) CloseGroup(id Group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g, ok := e.groups[id]
	if !ok {
		return
	}
	delete(e.groups, id)
	e.process.CloseGroup(id)
	if g.inKernel {
		e.kernel.CloseGroup(id)
	}
}

// GroupStats is what was taken from a bucket.
func (e *Engine) GroupStats(id Group) GroupStats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.groupStats(id)
}

func (e *Engine) groupStats(id Group) GroupStats {
	g, ok := e.groups[id]
	if !ok {
		return GroupStats{}
	}
	stats := e.process.GroupStats(id)
	if g.inKernel {
		stats.Add(e.kernel.GroupStats(id))
	}
	return stats
}

// Take takes bytes from groups for a datagram that is relayed by hand, without a flow.
// false: it is not granted, drop it.
func (e *Engine) Take(from [MaxGroups]Group, bytes int) bool { return e.process.Take(from, bytes) }

// Group tells how a group stands; false: it is not open.
func (e *Engine) Group(id Group) (GroupInfo, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	g, ok := e.groups[id]
	if !ok {
		return GroupInfo{}, false
	}
	return GroupInfo{Name: g.name, Kbps: g.kbps, Stats: e.groupStats(id)}, true
}

// notInKernel says why the kernel cannot police a flow; empty when it can.
func (e *Engine) notInKernel(f *Flow) string {
	for _, id := range f.Groups {
		if g := e.groups[id]; g != nil && !g.inKernel {
			return "the kernel has no room for the policer of " + g.name
		}
	}
	return ""
}

// count returns how many groups a flow has.
func (f *Flow) groupCount() (n int) {
	for _, g := range f.Groups {
		if g != 0 {
			n++
		}
	}
	return n
}

// withGroups is a flow that takes from the groups of both: one that both have twice.
func (f Flow) withGroups(then *Flow) Flow {
	n := 0
	var all [MaxGroups]Group
	for _, list := range [][MaxGroups]Group{f.Groups, then.Groups} {
		for _, g := range list {
			if g != 0 {
				all[n] = g // nextOf saw to the room
				n++
			}
		}
	}
	f.Groups = all
	return f
}
