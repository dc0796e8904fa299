package relay

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Two relays of this node, a's and b's, and a peer elsewhere.
var (
	listener = addr("198.18.0.1:3478")
	clientA  = addr("198.18.0.2:40000")
	clientB  = addr("198.18.0.3:40000")
	relayA   = addr("198.18.1.1:24000")
	relayB   = addr("198.18.1.1:24001")
	peer     = addr("198.18.1.2:6000")
)

// binding is the pair of a client's channel to a peer.
func binding(client, relay, peer netip.AddrPort, channel uint16) Pair {
	return Pair{Owner: "test", Flows: [2]Flow{
		Up:   {Key: Key{Local: listener, Remote: client, Channel: channel}, Out: Out{Src: relay, Dst: peer}},
		Down: {Key: Key{Local: relay, Remote: peer}, Out: Out{Src: listener, Dst: client, Channel: channel}},
	}}
}

// table is an engine and its two back ends.
type table struct {
	*Engine
	kernel  *fakeKernel
	process *fakeProcess
}

func newTable() *table {
	k, p := newFakeKernel(), newFakeProcess()
	return &table{NewEngine(k, "", p), k, p}
}

func (e *table) mustAdd(t *testing.T, p Pair) ID {
	t.Helper()
	id, err := e.Add(p)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (e *table) mustRemove(t *testing.T, id ID) [2]FlowStats {
	t.Helper()
	stats, err := e.Remove(id)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// ME-01, ME-03
func TestAddInstallsInBoth(t *testing.T) {
	e := newTable()
	pair := binding(clientA, relayA, peer, 0x4001)
	id := e.mustAdd(t, pair)
	for d, f := range pair.Flows {
		for name, flow := range map[string]*fakeFlow{"kernel": e.kernel.with(f.Key), "process": e.process.with(f.Key)} {
			if flow == nil || flow.Out != f.Out {
				t.Errorf("%s: %v flow is %+v", name, Direction(d), flow)
			}
		}
	}
	if _, err := e.Add(pair); !errors.Is(err, ErrExists) {
		t.Errorf("the same again: %v", err)
	}
	e.mustRemove(t, id)
	if n := len(e.kernel.flows) + len(e.process.flows); n != 0 {
		t.Errorf("%d flows are left", n)
	}
	if _, err := e.Remove(id); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if len(e.byKey)+len(e.byForward) != 0 {
		t.Errorf("left: %v, %v", e.byKey, e.byForward)
	}
}

func TestAddLeavesNothingHalf(t *testing.T) {
	pair := binding(clientA, relayA, peer, 0x4001)
	for d := range pair.Flows {
		e := newTable()
		e.process.refuseKey = pair.Flows[d].Key
		if _, err := e.Add(pair); !errors.Is(err, ErrFull) {
			t.Errorf("%v: error %v", Direction(d), err)
		}
		if len(e.kernel.flows)+len(e.process.flows)+len(e.byKey)+len(e.byForward)+len(e.pairs) != 0 {
			t.Errorf("%v: something is left", Direction(d))
		}
	}
}

// What the kernel has no room for is relayed by the process until there is room.
// ME-03
func TestKernelFull(t *testing.T) {
	e := newTable()
	e.kernel.refuseInstall = true
	id := e.mustAdd(t, binding(clientA, relayA, peer, 0x4001))
	info, err := e.Stats(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Stats {
		if s.Path != PathUserspace || s.Reason != ErrFull.Error() {
			t.Errorf("path %s: %s", s.Path, s.Reason)
		}
	}
	e.kernel.refuseInstall = false
	e.kernel.strays = 3
	if n, err := e.Sweep(); n != 3 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
	info, _ = e.Stats(id)
	for _, s := range info.Stats {
		if s.Path != PathXDP || s.Reason != "" {
			t.Errorf("after the sweep: path %s: %s", s.Path, s.Reason)
		}
	}
}

// ME-03
func TestWithoutKernel(t *testing.T) {
	e := NewEngine(nil, "no XDP here", newFakeProcess())
	id, err := e.Add(binding(clientA, relayA, peer, 0x4001))
	if err != nil {
		t.Fatal(err)
	}
	info, _ := e.Stats(id)
	if s := info.Stats[Up]; s.Path != PathUserspace || s.Reason != "no XDP here" {
		t.Errorf("path %s: %s", s.Path, s.Reason)
	}
	if err := e.Permit(relayA, peer.Addr(), time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := e.Sweep(); err != nil {
		t.Error(err)
	}
}

// What comes from or goes to a client on TCP is the process's.
func TestStreamStaysInProcess(t *testing.T) {
	e := newTable()
	udp := binding(clientA, relayA, peer, 0x4001)
	tcp := binding(clientA, addr("198.18.1.1:24009"), peer, 0x4001)
	tcp.Flows[Up].Stream = true
	tcp.Flows[Down].Sink = func([]byte) {}
	id := e.mustAdd(t, tcp)
	e.mustAdd(t, udp) // with the same address and port
	if len(e.kernel.flows) != 2 || e.kernel.with(tcp.Flows[Down].Key) != nil {
		t.Fatalf("the kernel has %d flows", len(e.kernel.flows))
	}
	plain := tcp
	plain.Flows[Down].Sink = nil
	if err := e.Update(id, plain); err != nil {
		t.Fatal(err)
	}
	down := e.kernel.with(tcp.Flows[Down].Key)
	if down == nil {
		t.Fatal("a flow without sink is not in the kernel")
	}
	down.counters.Packets = 7
	if err := e.Update(id, tcp); err != nil {
		t.Fatal(err)
	}
	info, _ := e.Stats(id)
	if s := info.Stats[Down]; len(e.kernel.flows) != 2 || s.Reason != onlyProcess || s.Packets != 7 {
		t.Errorf("with a sink again: %d flows, %+v", len(e.kernel.flows), s)
	}
}

func TestUpdate(t *testing.T) {
	e := newTable()
	pair := binding(clientA, relayA, peer, 0x4001)
	id := e.mustAdd(t, pair)
	changed := pair
	changed.Owner = "other"
	changed.Flows[Up].Out.Dst, changed.Flows[Up].RateKbps = addr("198.18.1.9:1"), 64
	if err := e.Update(id, changed); err != nil {
		t.Fatal(err)
	}
	if got := e.kernel.with(pair.Flows[Up].Key); got.Out != changed.Flows[Up].Out || got.RateKbps != 64 {
		t.Errorf("kernel has %+v", got)
	}
	for name, refuse := range map[string]*bool{"kernel": &e.kernel.refuseReplace, "process": &e.process.refuseReplace} {
		*refuse = true
		if err := e.Update(id, pair); !errors.Is(err, errRefused) {
			t.Errorf("%s: %v", name, err)
		}
		*refuse = false
		if info, _ := e.Stats(id); info.Pair.Owner != "other" || info.Pair.Flows[Up].Out != changed.Flows[Up].Out {
			t.Errorf("%s refused, but the pair is %+v", name, info.Pair)
		}
	}
	other := pair
	other.Flows[Up].Key.Channel++
	if err := e.Update(id, other); err == nil {
		t.Error("a key can be changed")
	}
	if err := e.Update(id+1, pair); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// ME-07
func TestGateForgetsWhatTheKernelRefused(t *testing.T) {
	e := newTable()
	e.kernel.refuse = true
	if err := e.OpenPort(relayA, PortRelay); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if err := e.Permit(relayA, peer.Addr(), time.Now()); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if len(e.process.ports)+len(e.process.permits) != 0 {
		t.Errorf("the process has %v, %v", e.process.ports, e.process.permits)
	}
}

// Leases are renewed as long as the engine runs, and never past the pair's own end.
// ME-06
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTable()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		pair := binding(clientA, relayA, peer, 0x4001)
		pair.NotAfter = time.Now().Add(100 * time.Second)
		id := e.mustAdd(t, pair)
		lease := func() time.Time {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.kernel.with(pair.Flows[Up].Key).lease
		}
		for range 71 * time.Second / renewEvery {
			if left := time.Until(lease()); left < LeaseTime-renewEvery || left > LeaseTime {
				t.Errorf("lease is %v", left)
			}
			time.Sleep(renewEvery)
			synctest.Wait()
		}
		if !lease().Equal(pair.NotAfter) {
			t.Errorf("lease goes on for %v after the end", lease().Sub(pair.NotAfter))
		}
		if err := e.Renew(id, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(lease()); left != LeaseTime {
			t.Errorf("renewed for %v", left)
		}
		if err := e.Renew(id+1, time.Now()); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(e.kernel.flows) != 2 {
			t.Error("the end of the process ends the flows")
		}
	})
}

func TestList(t *testing.T) {
	e := newTable()
	first := e.mustAdd(t, binding(clientA, relayA, peer, 0x4001))
	second := e.mustAdd(t, binding(clientB, relayB, peer, 0x4001))
	var ids []ID
	for _, info := range e.List() {
		ids = append(ids, info.ID)
	}
	if diff := cmp.Diff([]ID{first, second}, ids, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
