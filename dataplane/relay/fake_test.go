package relay

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/bpf"
)

var (
	_ Kernel  = (*fakeKernel)(nil)
	_ Process = (*fakeProcess)(nil)
)

var errRefused = errors.New("refused")

// fakeGate keeps what it was told.
type fakeGate struct {
	ports   map[netip.AddrPort]PortKind
	permits map[netip.AddrPort][]netip.Addr
	refuse  bool
}

func newFakeGate() fakeGate {
	return fakeGate{ports: map[netip.AddrPort]PortKind{}, permits: map[netip.AddrPort][]netip.Addr{}}
}

func (g *fakeGate) OpenPort(local netip.AddrPort, kind PortKind) error {
	if g.refuse {
		return errRefused
	}
	g.ports[local] = kind
	return nil
}

func (g *fakeGate) ClosePort(local netip.AddrPort) error { delete(g.ports, local); return nil }

func (g *fakeGate) Permit(local netip.AddrPort, peer netip.Addr, _ time.Time) error {
	if g.refuse {
		return ErrFull
	}
	g.permits[local] = append(g.permits[local], peer)
	return nil
}

func (g *fakeGate) Revoke(local netip.AddrPort, _ netip.Addr) error {
	delete(g.permits, local)
	return nil
}

// fakeFlow is a flow in a back end.
type fakeFlow struct {
	Flow
	lease    time.Time
	counters Counters
}

// fakeTable is what both fake back ends have.
type fakeTable struct {
	flows map[FlowID]*fakeFlow
	next  FlowID
}

func newFakeTable() fakeTable { return fakeTable{flows: map[FlowID]*fakeFlow{}} }

func (t *fakeTable) add(f Flow, lease time.Time) FlowID {
	t.next++
	t.flows[t.next] = &fakeFlow{Flow: f, lease: lease}
	return t.next
}

func (t *fakeTable) Remove(id FlowID) Counters {
	c := t.flows[id].counters
	delete(t.flows, id)
	return c
}

func (t *fakeTable) Counters(id FlowID) Counters { return t.flows[id].counters }

func (t *fakeTable) SetClock(id FlowID, hz uint32) { t.flows[id].ClockHz = hz }

func (t *fakeTable) Reasons() (r [bpf.ReasonCount]uint64) { return r }

// with returns the flow that takes a key.
func (t *fakeTable) with(k Key) *fakeFlow {
	for _, f := range t.flows {
		if f.Key == k {
			return f
		}
	}
	return nil
}

// fakeKernel refuses what it is told to refuse.
type fakeKernel struct {
	fakeTable
	fakeGate
	refuseInstall, refuseReplace bool
	inherited                    map[Key]Counters // of an earlier process
	strays                       int
	fakeGroups
	refuseGroup string // of this name
}

// fakeGroups keeps what it was told of groups.
type fakeGroups map[Group]Limit

func (f fakeGroups) SetGroup(g Group, l Limit) { f[g] = l }

func (f fakeGroups) CloseGroup(g Group) { delete(f, g) }

func (f fakeGroups) GroupStats(g Group) GroupStats {
	return GroupStats{Packets: 1, Bytes: uint64(f[g].Kbps), Policed: 2, PolicedBytes: 3}
}

func newFakeKernel() *fakeKernel {
	return &fakeKernel{fakeTable: newFakeTable(), fakeGate: newFakeGate(), inherited: map[Key]Counters{}, fakeGroups: fakeGroups{}}
}

func (k *fakeKernel) Install(f Flow, lease time.Time) (FlowID, error) {
	if k.refuseInstall {
		return 0, ErrFull
	}
	id := k.add(f, lease)
	k.flows[id].counters = k.inherited[f.Key]
	return id, nil
}

func (k *fakeKernel) Replace(id FlowID, f Flow, lease time.Time) error {
	if k.refuseReplace {
		return errRefused
	}
	k.flows[id].Flow, k.flows[id].lease = f, lease
	return nil
}

func (k *fakeKernel) OpenGroup(g Group, l Limit) (*atomic.Uint64, error) {
	if l.Name == k.refuseGroup {
		return nil, ErrFull
	}
	k.fakeGroups[g] = l
	return new(atomic.Uint64), nil
}

func (k *fakeKernel) Lease(id FlowID, until time.Time) { k.flows[id].lease = until }

func (k *fakeKernel) Sweep() (int, error) { return k.strays, nil }

func (k *fakeKernel) Reason(FlowID) string { return "" }

type fakeProcess struct {
	fakeTable
	fakeGate
	refuseKey     Key
	refuseReplace bool
	fakeGroups
	words map[Group]*atomic.Uint64
}

func newFakeProcess() *fakeProcess {
	return &fakeProcess{fakeTable: newFakeTable(), fakeGate: newFakeGate(), fakeGroups: fakeGroups{}, words: map[Group]*atomic.Uint64{}}
}

func (p *fakeProcess) Install(f Flow) (FlowID, error) {
	if f.Key == p.refuseKey {
		return 0, ErrFull
	}
	return p.add(f, time.Time{}), nil
}

func (p *fakeProcess) Replace(id FlowID, f Flow) error {
	if p.refuseReplace {
		return errRefused
	}
	p.flows[id].Flow = f
	return nil
}

func (p *fakeProcess) OpenGroup(g Group, l Limit, full *atomic.Uint64) {
	p.fakeGroups[g], p.words[g] = l, full
}

func (p *fakeProcess) Take(from [MaxGroups]Group, bytes int) bool {
	return bytes <= int(p.fakeGroups[from[0]].Kbps)
}

func (p *fakeProcess) Forward(Key, []byte) bool { return true }
