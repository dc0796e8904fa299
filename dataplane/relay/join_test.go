package relay

import (
	"testing"
	"time"
)

// hairpin adds two relays of this node whose clients talk to each other.
func (e *table) hairpin(t *testing.T) (a, b ID, pairA, pairB Pair) {
	t.Helper()
	pairA, pairB = binding(clientA, relayA, relayB, 0x4001), binding(clientB, relayB, relayA, 0x4002)
	pairB.NotAfter = time.Now().Add(10 * time.Second)
	return e.mustAdd(t, pairA), e.mustAdd(t, pairB), pairA, pairB
}

// count has the kernel relay packets of a flow.
func (e *table) count(p Pair, d Direction, packets uint64) {
	c := &e.kernel.with(p.Flows[d].Key).counters
	c.Packets += packets
	c.Bytes += 100 * packets
}

func (e *table) packets(t *testing.T, id ID) (up, down uint64) {
	t.Helper()
	info, err := e.Stats(id)
	if err != nil {
		t.Fatal(err)
	}
	return info.Stats[Up].Packets, info.Stats[Down].Packets
}

func (e *table) wantPackets(t *testing.T, id ID, up, down uint64) {
	t.Helper()
	if u, d := e.packets(t, id); u != up || d != down {
		t.Errorf("pair %d counts %d up and %d down, want %d and %d", id, u, d, up, down)
	}
}

// Two relays of this node that talk to each other are one flow in the kernel, from
// channel to channel; both count its packets, and each is by itself when the other ends.
// ME-01, ME-05
func TestHairpin(t *testing.T) {
	e := newTable()
	a, b, pairA, pairB := e.hairpin(t)
	up := e.kernel.with(pairA.Flows[Up].Key)
	if up.Out != pairB.Flows[Down].Out {
		t.Errorf("a's channel goes to %+v, want b's %+v", up.Out, pairB.Flows[Down].Out)
	}
	if up := e.kernel.with(pairB.Flows[Up].Key); up.Out != pairA.Flows[Down].Out {
		t.Errorf("b's channel goes to %+v, want a's %+v", up.Out, pairA.Flows[Down].Out)
	}
	if !up.lease.Equal(pairB.NotAfter) {
		t.Errorf("the lease ends at %v, b at %v", up.lease, pairB.NotAfter)
	}
	if f := e.process.with(pairA.Flows[Up].Key); f.Out != pairA.Flows[Up].Out {
		t.Errorf("the process's flow goes to %+v", f.Out)
	}
	e.count(pairA, Up, 5)
	e.count(pairB, Up, 3)
	e.wantPackets(t, a, 5, 3)
	e.wantPackets(t, b, 3, 5)

	last := e.mustRemove(t, b)
	if last[Up].Packets != 3 || last[Down].Packets != 5 {
		t.Errorf("b's last counts: %d up, %d down", last[Up].Packets, last[Down].Packets)
	}
	if up.Out != pairA.Flows[Up].Out {
		t.Errorf("b is gone, and a's channel still goes to %+v", up.Out)
	}
	e.count(pairA, Up, 1)
	e.wantPackets(t, a, 6, 3)

	b = e.mustAdd(t, pairB) // again
	e.count(pairA, Up, 2)
	e.wantPackets(t, a, 8, 3)
	e.wantPackets(t, b, 0, 2)
}

// A change of the second relay is followed by what the first sends.
func TestHairpinFollowsUpdate(t *testing.T) {
	e := newTable()
	a, b, pairA, pairB := e.hairpin(t)
	e.count(pairA, Up, 5)
	changed := pairB
	changed.Flows[Down].Out.Channel = 0x4007
	changed.Flows[Down].RateKbps = 64
	if err := e.Update(b, changed); err != nil {
		t.Fatal(err)
	}
	if up := e.kernel.with(pairA.Flows[Up].Key); up.Out.Channel != 0x4007 || up.RateKbps != 64 {
		t.Errorf("a's channel goes to %+v at %d kbit/s", up.Out, up.RateKbps)
	}
	e.count(pairA, Up, 1)
	e.wantPackets(t, b, 0, 6)

	// A change of the first that leads elsewhere keeps what the second has counted.
	elsewhere := pairA
	elsewhere.Flows[Up].Out.Dst = peer
	if err := e.Update(a, elsewhere); err != nil {
		t.Fatal(err)
	}
	e.count(pairA, Up, 10)
	e.wantPackets(t, a, 16, 0)
	e.wantPackets(t, b, 0, 6)
}

// What the kernel refuses to lead back from an ended relay it must give up.
// ME-07
func TestHairpinEndsThoughTheKernelRefuses(t *testing.T) {
	e := newTable()
	a, b, pairA, _ := e.hairpin(t)
	e.count(pairA, Up, 5)
	e.kernel.refuseReplace = true
	e.mustRemove(t, b)
	if f := e.kernel.with(pairA.Flows[Up].Key); f != nil {
		t.Errorf("the kernel still relays to %+v", f.Out)
	}
	e.wantPackets(t, a, 5, 0)
	if info, _ := e.Stats(a); info.Stats[Up].Path != PathUserspace || info.Stats[Up].Reason == "" {
		t.Errorf("path %s, reason %q", info.Stats[Up].Path, info.Stats[Up].Reason)
	}
}

// After a restart both relays go on with what the kernel counted.
// ME-06
func TestHairpinAfterRestart(t *testing.T) {
	e := newTable()
	pairA, pairB := binding(clientA, relayA, relayB, 0x4001), binding(clientB, relayB, relayA, 0x4002)
	e.kernel.inherited[pairA.Flows[Up].Key] = Counters{Packets: 5}
	e.kernel.inherited[pairB.Flows[Up].Key] = Counters{Packets: 3}
	a, b := e.mustAdd(t, pairA), e.mustAdd(t, pairB)
	e.wantPackets(t, a, 5, 3)
	e.wantPackets(t, b, 3, 5)
}

func TestPolicerOfJoinedFlowIsTheSmaller(t *testing.T) {
	for _, tt := range []struct{ a, b, want uint32 }{{0, 0, 0}, {64, 0, 64}, {0, 64, 64}, {64, 32, 32}, {32, 64, 32}} {
		e := newTable()
		pairA, pairB := binding(clientA, relayA, relayB, 0x4001), binding(clientB, relayB, relayA, 0x4002)
		pairA.Flows[Up].RateKbps, pairB.Flows[Down].RateKbps = tt.a, tt.b
		e.mustAdd(t, pairA)
		e.mustAdd(t, pairB)
		if got := e.kernel.with(pairA.Flows[Up].Key).RateKbps; got != tt.want {
			t.Errorf("%d and %d kbit/s give %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
