package relay

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (e *table) mustOpenGroup(t *testing.T, name string, kbps uint32) Group {
	t.Helper()
	g, err := e.OpenGroup(name, kbps, CallDepth)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Both back ends are told of a group, with the margin, and share its bucket.
// BW-06
func TestGroups(t *testing.T) {
	e := newTable()
	g := e.mustOpenGroup(t, "call", 1000)
	want := Limit{Name: "call", Kbps: 1100, Depth: time.Second}
	if k, p := e.kernel.fakeGroups[g], e.process.fakeGroups[g]; k != want || p != want {
		t.Errorf("opened: the kernel has %+v, the process %+v, want %+v", k, p, want)
	}
	if e.process.words[g] == nil {
		t.Error("the process has a bucket of its own")
	}
	if err := e.SetGroup(g, 2000, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	e.SetMargin(25)
	want.Kbps = 2500
	if k, p := e.kernel.fakeGroups[g], e.process.fakeGroups[g]; k != want || p != want {
		t.Errorf("changed: the kernel has %+v, the process %+v, want %+v", k, p, want)
	}
	info, ok := e.Group(g)
	if diff := cmp.Diff(GroupInfo{"call", 2000, GroupStats{2, 5000, 4, 6}}, info); diff != "" || !ok {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := e.GroupStats(g); got != info.Stats {
		t.Errorf("counted %+v", got)
	}
	if from := [MaxGroups]Group{g}; !e.Take(from, 2500) || e.Take(from, 2501) {
		t.Error("what is relayed by hand is not the process's to judge")
	}
	most := e.mustOpenGroup(t, "most", 1<<32-1)
	if got := e.kernel.fakeGroups[most].Kbps; got != 1<<32-1 {
		t.Errorf("more than there is, with a margin: %d", got)
	}
	e.CloseGroup(most)
	e.CloseGroup(g)
	e.CloseGroup(g)
	if len(e.kernel.fakeGroups)+len(e.process.fakeGroups) != 0 {
		t.Errorf("closed: the kernel has %v, the process %v", e.kernel.fakeGroups, e.process.fakeGroups)
	}
	if err := e.SetGroup(g, 1, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("changed after it was closed: %v", err)
	}
	if _, ok := e.Group(g); ok || e.GroupStats(g) != (GroupStats{}) {
		t.Error("it counts after it was closed")
	}
	if next := e.mustOpenGroup(t, "next", 1); next == g || next == most {
		t.Errorf("group %d is used again", next)
	}
}

// The process relays what the kernel has no room to police, and the kernel takes it when
// it has none of such groups any more.
// BW-06
func TestGroupsThatTheKernelLacks(t *testing.T) {
	e := newTable()
	e.kernel.refuseGroup = "call"
	g := e.mustOpenGroup(t, "call", 1000)
	if e.process.words[g] != nil {
		t.Error("the process has a word of the kernel's")
	}
	p := binding(clientA, relayA, peer, 0x4001)
	p.Flows[Up].Groups[0] = g
	id := e.mustAdd(t, p)
	const why = "the kernel has no room for the policer of call"
	path := func(d Direction) (Path, string) {
		t.Helper()
		info, err := e.Stats(id)
		if err != nil {
			t.Fatal(err)
		}
		return info.Stats[d].Path, info.Stats[d].Reason
	}
	if path, reason := path(Up); path != PathUserspace || reason != why {
		t.Errorf("path %s, %s", path, reason)
	}
	if path, _ := path(Down); path != PathXDP {
		t.Errorf("the other direction: path %s", path)
	}
	p.Flows[Up].Groups[0] = 0
	if err := e.Update(id, p); err != nil {
		t.Fatal(err)
	}
	if path, _ := path(Up); path != PathXDP {
		t.Errorf("without the group: path %s", path)
	}
	p.Flows[Up].Groups[0] = g
	if err := e.Update(id, p); err != nil {
		t.Fatal(err)
	}
	if path, reason := path(Up); path != PathUserspace || reason != why {
		t.Errorf("with it again: path %s, %s", path, reason)
	}
	e.CloseGroup(g) // it limits nothing any more
	if _, err := e.Sweep(); err != nil {
		t.Fatal(err)
	}
	if path, _ := path(Up); path != PathXDP {
		t.Errorf("the group is closed: path %s", path)
	}
}

// A joined flow takes from the groups of both, one that both have twice.
// BW-06
func TestJoinedFlowsHaveTheGroupsOfBoth(t *testing.T) {
	e := newTable()
	callA, callB, pipe := e.mustOpenGroup(t, "call A", 1), e.mustOpenGroup(t, "call B", 1), e.mustOpenGroup(t, "pipe", 1)
	a, b := binding(clientA, relayA, relayB, 0x4001), binding(clientB, relayB, relayA, 0x4002)
	a.Flows[Up].Groups = [MaxGroups]Group{callA, 0, pipe}
	b.Flows[Down].Groups = [MaxGroups]Group{callB, pipe}
	e.mustAdd(t, a)
	id := e.mustAdd(t, b)
	groups := func() [MaxGroups]Group { return e.kernel.with(a.Flows[Up].Key).Groups }
	if got, want := groups(), ([MaxGroups]Group{callA, pipe, callB, pipe}); got != want {
		t.Errorf("joined: %v, want %v", got, want)
	}
	for i := range b.Flows[Down].Groups {
		b.Flows[Down].Groups[i] = callB
	}
	if err := e.Update(id, b); err != nil {
		t.Fatal(err)
	}
	if got := e.kernel.with(a.Flows[Up].Key); got.Groups != a.Flows[Up].Groups || got.Out != a.Flows[Up].Out {
		t.Errorf("with too many together it is joined: %+v", got)
	}
	if got := e.process.with(a.Flows[Up].Key); got.Groups != a.Flows[Up].Groups {
		t.Errorf("the process has %v", got.Groups)
	}
}
