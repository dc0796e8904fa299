package xdp

import (
	"slices"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// groupIDs gives the rig's groups numbers, as the table over it would.
var groupIDs struct {
	sync.Mutex
	last relay.Group
}

func (r *rig) mustOpenGroup(t testing.TB, name string, kbps uint32, depth time.Duration) relay.Group {
	t.Helper()
	groupIDs.Lock()
	groupIDs.last++
	g := groupIDs.last
	groupIDs.Unlock()
	if _, err := r.OpenGroup(g, relay.Limit{Name: name, Kbps: kbps, Depth: depth}); err != nil {
		t.Fatal(err)
	}
	return g
}

// takes sends payloads of the flow until one is dropped, and returns the bytes that went.
func (r *rig) takes(t *testing.T, f relay.Flow, size int) (bytes int, why bpf.Reason) {
	t.Helper()
	for {
		if why = r.reason(t, packet(f, pattern(size))); why != bpf.ReasonForwarded {
			return bytes, why
		}
		bytes += size
	}
}

// groups is a flow with groups.
func groups(f relay.Flow, of ...relay.Group) relay.Flow {
	copy(f.Groups[:], of)
	return f
}

// A bucket holds its depth, for all flows that have it together; who is refused by one
// bucket is charged by none.
// BW-06
func TestSharedBuckets(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	// So slow that nothing comes back while the test runs: 1000 bytes a second.
	call := r.mustOpenGroup(t, "call", 8, 20*time.Second)
	other := r.mustOpenGroup(t, "other call", 8, 20*time.Second)
	pipe := r.mustOpenGroup(t, "pipe", 8, 30*time.Second)
	audio, video, neighbour, alone := groups(up(4, 4), call, pipe), groups(down(4, 4), call, pipe), groups(up(6, 6), other, pipe), down(6, 6)
	id, videoID := r.mustInstall(t, audio), r.mustInstall(t, video)
	r.mustInstall(t, neighbour)
	r.mustInstall(t, alone)
	if a, b := r.flows[uint32(id)].set, r.flows[uint32(videoID)].set; a != b || a.slots != 2 {
		t.Errorf("two flows of a call have sets %d and %d, for %d slots", a.number, b.number, a.slots)
	}

	for range 5 {
		if got := r.reason(t, packet(audio, pattern(1000))); got != bpf.ReasonForwarded {
			t.Fatalf("within the grant: %s", got)
		}
	}
	near := func(what string, got, want int) {
		t.Helper()
		// What came back meanwhile, and the part that the batches may add.
		if got < want-1000 || got > want+2*want/batchShare+2000 {
			t.Errorf("%s: %d bytes, want %d", what, got, want)
		}
	}
	got, why := r.takes(t, video, 1000)
	near("what the first stream left", got, 15_000)
	if why != bpf.ReasonOverGrant {
		t.Errorf("over the call's grant: %s", why)
	}
	for range 50 { // the pipe must not be charged for what the call refuses
		r.reason(t, packet(video, pattern(1400)))
	}
	got, why = r.takes(t, neighbour, 1000)
	near("what is left of the pipe", got, 10_000)
	if why != bpf.ReasonOverGrant {
		t.Errorf("over the pipe's grant: %s", why)
	}
	if got := r.reason(t, packet(alone, pattern(1400))); got != bpf.ReasonForwarded {
		t.Errorf("a flow without groups: %s", got)
	}
	wasCall, wasPipe := r.GroupStats(call), r.GroupStats(pipe)
	if wasCall.Policed != 51 || wasCall.PolicedBytes != 50*1400+1000 || wasPipe.Policed != 1 {
		t.Errorf("policed: call %+v, pipe %+v", wasCall, wasPipe)
	}
	if sum := r.GroupStats(call).Bytes + r.GroupStats(other).Bytes; wasPipe.Bytes != sum || r.Counters(id).Policed != 0 || r.Counters(videoID).Policed != 51 {
		t.Errorf("the pipe carried %d of the calls' %d bytes; flows were policed %d and %d times", wasPipe.Bytes, sum, r.Counters(id).Policed, r.Counters(videoID).Policed)
	}
}

// A bucket that a flow has twice is charged twice; the flow's own bucket gets back what
// the others refuse.
// BW-06
func TestGroupsOfAFlow(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	pipe := r.mustOpenGroup(t, "pipe", 8, 20*time.Second)
	twice := groups(up(4, 4), pipe, 0, pipe)
	id := r.mustInstall(t, twice)
	for range 5 {
		r.reason(t, packet(twice, pattern(1000)))
	}
	if got := r.GroupStats(pipe); got.Packets != 10 || got.Bytes != 10_000 {
		t.Errorf("charged twice: %+v", got)
	}
	r.Remove(id)

	own := groups(up(4, 4), pipe)
	own.RateKbps, own.Depth = 8, 12*time.Second
	r.mustInstall(t, own)
	for range 100 {
		if got := r.reason(t, packet(own, pattern(1400))); got != bpf.ReasonForwarded {
			if got != bpf.ReasonOverGrant && r.GroupStats(pipe).Bytes < 18_000 {
				t.Fatalf("%s after %+v", got, r.GroupStats(pipe))
			}
		}
	}
	r.SetGroup(pipe, relay.Limit{Name: "pipe", Kbps: 0})
	if got, _ := r.takes(t, own, 100); got > 12_000-8_000+1000 {
		t.Errorf("%d bytes were left of the flow's own bucket", got)
	}
	full := make([]relay.Group, relay.MaxGroups)
	for i := range full {
		full[i] = r.mustOpenGroup(t, "many", 1_000_000, time.Second)
	}
	last := full[relay.MaxGroups-1]
	r.SetGroup(last, relay.Limit{Kbps: 8, Depth: time.Second})
	most := groups(down(6, 6), full...)
	r.mustInstall(t, most)
	if got, why := r.takes(t, most, 100); why != bpf.ReasonOverGrant || got > 1300 || got < 900 {
		t.Errorf("the last of %d groups: %d bytes, %s", relay.MaxGroups, got, why)
	}
	if first, last := r.GroupStats(full[0]), r.GroupStats(last); first.Bytes != last.Bytes || first.Policed != 0 || last.Policed != 1 {
		t.Errorf("the first: %+v, the last %+v", first, last)
	}
}

// Buckets change while flows have them: what they grant, at once, and that they end.
// BW-06
func TestGroupsChange(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	call := r.mustOpenGroup(t, "call", 8, time.Second)
	f := groups(up(4, 4), call)
	id := r.mustInstall(t, f)
	r.takes(t, f, 100)
	if err := r.Replace(id, f, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := r.reason(t, packet(f, pattern(1000))); got != bpf.ReasonOverGrant {
		t.Errorf("the flow was replaced: %s", got)
	}
	r.SetGroup(call, relay.Limit{Kbps: 100_000, Depth: time.Second})
	for range 100 {
		if got := r.reason(t, packet(f, pattern(1000))); got == bpf.ReasonOverGrant {
			continue // what was spent is spent: for a moment
		}
	}
	eventually(t, "more is granted", func() bool { return r.reason(t, packet(f, pattern(1400))) == bpf.ReasonForwarded })
	r.SetGroup(call, relay.Limit{Kbps: 8, Depth: time.Second})
	r.takes(t, f, 1400)
	r.CloseGroup(call)
	if got := r.reason(t, packet(f, pattern(1400))); got != bpf.ReasonForwarded {
		t.Errorf("the group is closed: %s", got)
	}
	if b := r.memory.buckets[1]; b.ByteCost != 0 || b.Name != 1<<1 {
		t.Errorf("a closed bucket: %+v", b)
	}
	// The number is another's only when no flow names it.
	if g := r.mustOpenGroup(t, "next", 8, time.Second); r.buckets.open[g].number == 1 {
		t.Error("a bucket that a flow still has was given to another group")
	}
	f.Groups = [relay.MaxGroups]relay.Group{}
	if err := r.Replace(id, f, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if in := r.flows[uint32(id)]; r.memory.slots[in.slot].Set != 0 || len(r.buckets.sets.byBuckets) != 0 {
		t.Errorf("the flow has set %d, and there are %d sets", r.memory.slots[in.slot].Set, len(r.buckets.sets.byBuckets))
	}
	r.buckets.numbers.waitGrace()
	if g := r.mustOpenGroup(t, "next", 8, time.Second); r.buckets.open[g].number != 1 {
		t.Errorf("the number of a closed group was not used again: %d", r.buckets.open[g].number)
	}
}

// What there is no room for the kernel refuses, and forgets nothing by it.
func TestGroupsAreBounded(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{MaxFlows: 64})
	var open []relay.Group
	for range 63 {
		open = append(open, r.mustOpenGroup(t, "call", 8, time.Second))
	}
	if _, err := r.OpenGroup(9999, relay.Limit{Name: "one more", Kbps: 8}); err == nil {
		t.Error("the 64th bucket of 64 was given out")
	}
	r.CloseGroup(open[7])
	if _, err := r.OpenGroup(9999, relay.Limit{Name: "one more", Kbps: 8}); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}

// Two calls of this node that follow each other are one flow in the kernel, which takes
// from the groups of both; with too many together they are not joined.
// BW-06
func TestHairpinKeepsBothEndsGroups(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	e := &table{relay.NewEngine(r.Backend, "", &idle{}), r, t}
	open := func(name string) relay.Group {
		g, err := e.OpenGroup(name, 8000, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	pairA, pairB := hairpin()
	callA, callB, pipe := open("call A"), open("call B"), open("pipe")
	pairA.Flows[relay.Up] = groups(pairA.Flows[relay.Up], callA, pipe)
	pairB.Flows[relay.Down] = groups(pairB.Flows[relay.Down], callB, pipe)
	e.mustAdd(pairA)
	b := e.mustAdd(pairB)
	e.reaches("joined", pairA, pairB)
	e.reaches("joined", pairB, pairA)
	counts := func() (n []uint64) {
		for _, g := range []relay.Group{callA, callB, pipe} {
			n = append(n, e.GroupStats(g).Packets)
		}
		return n
	}
	if got, want := counts(), []uint64{1, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("charged %v, want %v: the pipe is crossed twice", got, want)
	}
	for i := range pairB.Flows[relay.Down].Groups {
		pairB.Flows[relay.Down].Groups[i] = callB
	}
	if err := e.Update(b, pairB); err != nil {
		t.Fatal(err)
	}
	if got := r.reason(t, packet(pairA.Flows[relay.Up], nil)); got != bpf.ReasonNoNeighbour {
		t.Errorf("with more groups than fit: %s", got)
	}
}
