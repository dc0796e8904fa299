package xdp

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// The next process finds the buckets of its own names with what they hold, and none of
// others.
// BW-06, ME-06
func TestGroupsOutliveTheNextStart(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	const slow, deep = 2, 80 * time.Second // 250 bytes a second
	pipe := r.mustOpenGroup(t, "pipe:wan from the caller", slow, deep)
	call := r.mustOpenGroup(t, "call:1 A", slow, deep)
	f, gone := groups(up(4, 4), call, pipe), groups(up(6, 6), call, pipe)
	r.mustInstall(t, f)
	r.mustInstall(t, gone)
	took, _ := r.takes(t, f, 1000)
	before := r.GroupStats(pipe)
	r.stopHeartbeat()

	next := r.next(t, Config{})
	next.mustTellPorts(t)
	pipe = next.mustOpenGroup(t, "pipe:wan from the caller", slow, deep)
	call = next.mustOpenGroup(t, "call:1 A of another", slow, deep)
	if got := next.GroupStats(pipe); got.Bytes != before.Bytes || got.Bytes < uint64(took) {
		t.Errorf("the pipe's counters: %+v, before %+v", got, before)
	}
	if got := next.GroupStats(call); got != (relay.GroupStats{}) {
		t.Errorf("a new call counted %+v", got)
	}
	f = groups(up(4, 4), call, pipe)
	id := next.mustAdd(t, f)
	next.mustSweep(t, 1)
	if got := next.reason(t, packet(f, pattern(1400))); got != bpf.ReasonOverGrant {
		t.Errorf("before the program is active: %s", got)
	}
	next.mustActivate(t)
	if got := next.reason(t, packet(f, pattern(1400))); got != bpf.ReasonOverGrant || next.GroupStats(call).Packets != 0 {
		t.Errorf("the pipe is full again: %s", got)
	}
	if named := next.namedBuckets(); named != 2 {
		t.Errorf("%d buckets have names, want the pipe and the new call", named)
	}
	next.Remove(id)
	next.CloseGroup(pipe)
	next.CloseGroup(call)
	if named := next.namedBuckets(); named != 0 || len(next.buckets.byName) != 0 || len(next.buckets.sets.ids.inherited) != 0 {
		t.Errorf("%d buckets have names after all were closed", named)
	}
	next.stopHeartbeat()
	last := next.next(t, Config{})
	if len(last.buckets.byName) != 0 {
		t.Errorf("the last process finds %d stale buckets", len(last.buckets.byName))
	}
}

func (r *rig) namedBuckets() (n int) {
	for _, b := range r.memory.buckets {
		if b.Name != 0 {
			n++
		}
	}
	return n
}

// A process that knows nothing of groups leaves none behind.
// BW-06, ME-06
func TestStaleGroupsAreSwept(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f := groups(up(4, 4), r.mustOpenGroup(t, "call", 8, time.Second))
	r.mustInstall(t, f)
	r.takes(t, f, 100)
	r.stopHeartbeat()
	next := r.next(t, Config{})
	next.mustTellPorts(t)
	plain := up(4, 4)
	next.mustAdd(t, plain)
	next.mustActivate(t)
	if got := next.reason(t, packet(plain, pattern(1000))); got != bpf.ReasonForwarded {
		t.Errorf("a flow that has no groups any more: %s", got)
	}
	if len(next.buckets.byName) != 1 {
		t.Errorf("%d buckets wait for the sweep, want 1", len(next.buckets.byName))
	}
	next.mustSweep(t, 0)
	if n := next.namedBuckets(); n != 0 {
		t.Errorf("%d buckets are left", n)
	}
}
