package xdp

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// idle is a process's relay that has every flow and no packets.
type idle struct{ n relay.FlowID }

var _ relay.Process = (*idle)(nil)

func (i *idle) Install(relay.Flow) (relay.FlowID, error)         { i.n++; return i.n, nil }
func (*idle) Replace(relay.FlowID, relay.Flow) error             { return nil }
func (*idle) Remove(relay.FlowID) relay.Counters                 { return relay.Counters{} }
func (*idle) Counters(relay.FlowID) relay.Counters               { return relay.Counters{} }
func (*idle) SetClock(relay.FlowID, uint32)                      {}
func (*idle) Forward(relay.Key, []byte) bool                     { return false }
func (*idle) Reasons() [bpf.ReasonCount]uint64                   { return [bpf.ReasonCount]uint64{} }
func (*idle) OpenPort(netip.AddrPort, relay.PortKind) error      { return nil }
func (*idle) ClosePort(netip.AddrPort) error                     { return nil }
func (*idle) Permit(netip.AddrPort, netip.Addr, time.Time) error { return nil }
func (*idle) Take([relay.MaxGroups]relay.Group, int) bool        { return true }
func (*idle) SetGroup(relay.Group, relay.Limit)                  {}
func (*idle) CloseGroup(relay.Group)                             {}
func (*idle) GroupStats(relay.Group) relay.GroupStats            { return relay.GroupStats{} }
func (*idle) OpenGroup(relay.Group, relay.Limit, *atomic.Uint64) {}
func (*idle) Revoke(netip.AddrPort, netip.Addr) error            { return nil }

// hairpin are two clients, each with a relay and a channel to the other's.
func hairpin() (a, b relay.Pair) {
	clientB, relayB := addr("198.18.0.2:50000"), addr("198.18.1.1:25000")
	pair := func(client, from, to netip.AddrPort, channel uint16) relay.Pair {
		return relay.Pair{Owner: "test", Flows: [2]relay.Flow{
			relay.Up:   {Key: relay.Key{Local: listener4, Remote: client, Channel: channel}, Out: relay.Out{Src: from, Dst: to}},
			relay.Down: {Key: relay.Key{Local: from, Remote: to}, Out: relay.Out{Src: listener4, Dst: client, Channel: channel}},
		}}
	}
	return pair(client4, relay4, relayB, 0x4001), pair(clientB, relayB, relay4, 0x4002)
}

// table is an engine over the rig's kernel.
type table struct {
	*relay.Engine
	r *rig
	t *testing.T
}

func (e *table) mustAdd(p relay.Pair) relay.ID {
	e.t.Helper()
	id, err := e.Add(p)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// reaches sends ChannelData from the first pair's client and compares what the second's
// gets.
func (e *table) reaches(when string, from, to relay.Pair) {
	e.t.Helper()
	joined := relay.Flow{Key: from.Flows[relay.Up].Key, Out: to.Flows[relay.Down].Out}
	d := packet(joined, pattern(33))
	want := sent(joined, d)
	copy(want.macs[:6], clientMAC[:])
	copy(want.macs[6:], e.r.s0.Attrs().HardwareAddr)
	verdict, got := e.r.run(e.t, e.r.s0, d.frame(e.t))
	if verdict != xdpRedirect || string(got) != string(want.frame(e.t)) {
		e.t.Errorf("%s: verdict %d, %x, want %x", when, verdict, got, want.frame(e.t))
	}
}

func (e *table) stats(id relay.ID) [2]relay.FlowStats {
	e.t.Helper()
	info, err := e.Stats(id)
	if err != nil {
		e.t.Fatal(err)
	}
	return info.Stats
}

func (e *table) wantPackets(id relay.ID, up, down uint64) {
	e.t.Helper()
	if s := e.stats(id); s[relay.Up].Packets != up || s[relay.Down].Packets != down {
		e.t.Errorf("pair %d has %d packets up and %d down, want %d and %d", id, s[relay.Up].Packets, s[relay.Down].Packets, up, down)
	}
}

// Two relays of this node that talk to each other are one flow in the kernel.
// ME-01, ME-05
func TestHairpin(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	e := &table{relay.NewEngine(r.Backend, "", &idle{}), r, t}
	pairA, pairB := hairpin()
	a := e.mustAdd(pairA)
	if s := e.stats(a)[relay.Up]; s.Path != relay.PathUserspace || s.Reason != "198.18.1.1 is an address of this node" {
		t.Errorf("alone: path %s, %s", s.Path, s.Reason)
	}
	b := e.mustAdd(pairB)
	e.reaches("joined", pairA, pairB)
	e.reaches("joined", pairA, pairB)
	e.reaches("joined", pairB, pairA)
	for _, id := range []relay.ID{a, b} {
		if s := e.stats(id)[relay.Up]; s.Path != relay.PathXDP {
			t.Errorf("joined: path %s, %s", s.Path, s.Reason)
		}
	}
	e.wantPackets(a, 2, 1)
	e.wantPackets(b, 1, 2)

	last, err := e.Remove(b)
	if err != nil {
		t.Fatal(err)
	}
	if last[relay.Down].Packets != 2 {
		t.Errorf("the removed relay had %d packets down", last[relay.Down].Packets)
	}
	if got := r.reason(t, packet(pairA.Flows[relay.Up], nil)); got != bpf.ReasonNoNeighbour {
		t.Errorf("to a relay that is gone: %s", got)
	}
	b = e.mustAdd(pairB)
	e.reaches("joined again", pairA, pairB)
	e.wantPackets(a, 3, 1)
	e.wantPackets(b, 0, 1)

	pairB.Flows[relay.Down].Out.Channel, pairB.Flows[relay.Down].RateKbps = 0x4077, 1_000_000
	if err := e.Update(b, pairB); err != nil {
		t.Fatal(err)
	}
	e.reaches("the other end has another channel", pairA, pairB)
	if err := e.Renew(b, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := e.Renew(a, time.Now().Add(time.Minute)); err != nil { // asks for b's end as well
		t.Fatal(err)
	}
	if got := r.reason(t, packet(pairA.Flows[relay.Up], nil)); got != bpf.ReasonLeaseExpired {
		t.Errorf("to a relay whose time is over: %s", got)
	}
	if n, err := e.Sweep(); n != 0 || err != nil {
		t.Errorf("strays: %d, %v", n, err)
	}
}

// A restart does not part two relays that talk to each other, not for a packet.
// ME-06
func TestHairpinOutlivesTheNextStart(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	e := &table{relay.NewEngine(r.Backend, "", &idle{}), r, t}
	pairA, pairB := hairpin()
	e.mustAdd(pairA)
	e.mustAdd(pairB)
	both := func(when string) {
		t.Helper()
		e.reaches(when, pairA, pairB)
		e.reaches(when, pairB, pairA)
	}
	both("at first")
	r.stopHeartbeat()
	next, err := Open(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	then := &rig{Backend: next, s0: r.s0, s1: r.s1}
	old := e
	e = &table{relay.NewEngine(next, "", &idle{}), then, t}
	a := e.mustAdd(pairA)
	old.reaches("one is known again", pairA, pairB)
	e.reaches("one is known again, to the next program", pairA, pairB)
	b := e.mustAdd(pairB)
	both("both are known again")
	if err := next.Activate(); err != nil {
		t.Fatal(err)
	}
	both("the next process is active")
	e.wantPackets(a, 5, 3)
	e.wantPackets(b, 3, 5)
}
