package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// A full table says so, and has nothing of what it refused.
// ME-03
func TestFlowTableFull(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	const most = 16
	r := newRig(t, Config{MaxFlows: most})
	flow := func(n uint16) relay.Flow { return versions(n)[0] }
	var ids []relay.FlowID
	for n := range uint16(most) {
		ids = append(ids, r.mustInstall(t, flow(n)))
	}
	for range 3 {
		if _, err := r.Install(flow(most), time.Now().Add(time.Minute)); !errors.Is(err, relay.ErrFull) {
			t.Errorf("one more: %v", err)
		}
	}
	if _, err := r.Install(flow(3), time.Now().Add(time.Minute)); !errors.Is(err, relay.ErrExists) {
		t.Errorf("the same again: %v", err)
	}
	r.wantFlows(t, most)
	if got := r.reason(t, packet(flow(most), nil)); got != bpf.ReasonControl {
		t.Errorf("what was refused is %s", got)
	}
	for n := range uint16(most) {
		if got := r.reason(t, packet(flow(n), nil)); got != bpf.ReasonForwarded {
			t.Errorf("flow %d is %s", n, got)
		}
	}
	r.Remove(ids[5])
	id := r.mustInstall(t, flow(most))
	if got := r.reason(t, packet(flow(most), nil)); got != bpf.ReasonForwarded {
		t.Errorf("after one was removed, another is %s", got)
	}
	r.Remove(id)
	for i, id := range ids {
		if i != 5 {
			r.Remove(id)
		}
	}
	r.wantFlows(t, 0)
}

// wantFlows compares what the kernel has with what the back end thinks.
func (r *rig) wantFlows(t *testing.T, want int) {
	t.Helper()
	found, err := r.readFlows()
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, u := range r.hops.byHop {
		used += u.flows
	}
	if len(found) != want || len(r.flows) != want || len(r.byKey) != want || used != want {
		t.Errorf("the kernel has %d flows, the back end %d and %d keys, next hops are used by %d, want %d",
			len(found), len(r.flows), len(r.byKey), used, want)
	}
	if n, err := r.Sweep(); n != 0 || err != nil {
		t.Errorf("strays: %d, %v", n, err)
	}
}

// ME-07
func TestPermissionsFull(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{MaxFlows: 16})
	most := int(r.maps.Permissions.MaxEntries())
	peer := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 1, byte(n)}) }
	until := time.Now().Add(time.Minute)
	for n := range most {
		if err := r.Permit(relay4, peer(n), until); err != nil {
			t.Fatalf("permission %d of %d: %v", n, most, err)
		}
	}
	if err := r.Permit(relay4, peer(most), until); !errors.Is(err, relay.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if got := r.Status().Permissions; got != most {
		t.Errorf("status says %d permissions, want %d", got, most)
	}
	from := func(n int) datagram { return d4.from(netip.AddrPortFrom(peer(n), 1).String()) }
	if got := r.reason(t, from(most)); got != bpf.ReasonStranger {
		t.Errorf("who was refused is %s", got)
	}
	if err := r.Permit(relay4, peer(1), until.Add(time.Minute)); err != nil {
		t.Errorf("refreshed: %v", err)
	}
	for range 2 { // idempotent
		if err := r.Revoke(relay4, peer(0)); err != nil {
			t.Error(err)
		}
	}
	if err := r.Permit(relay4, peer(most), until); err != nil {
		t.Errorf("after one was revoked: %v", err)
	}
	for n, want := range map[int]bpf.Reason{0: bpf.ReasonStranger, 1: bpf.ReasonNoFlow, most: bpf.ReasonNoFlow} {
		if got := r.reason(t, from(n)); got != want {
			t.Errorf("peer %d is %s, want %s", n, got, want)
		}
	}
}

// A port at an address for which there is no room is not open at all.
func TestLocalAddressesFull(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	var err error
	var last netip.AddrPort
	for n := 0; err == nil; n++ {
		if n > 1000 {
			t.Fatal("there is room for more than 1000 addresses")
		}
		last = addr(fmt.Sprintf("10.0.%d.%d:%d", n>>8, n&0xff, 30000+n))
		err = r.OpenPort(last, relay.PortLearning)
	}
	if kind := r.memory.ports[last.Port()]; kind != 0 {
		t.Errorf("port %d is of kind %d", last.Port(), kind)
	}
	if err := r.ClosePort(addr("10.0.0.0:30000")); err != nil {
		t.Fatal(err)
	}
	if err := r.OpenPort(last, relay.PortLearning); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	listen(t, netip.AddrPortFrom(netip.IPv4Unspecified(), last.Port()))
	if got := r.reason(t, d4.to(last.String())); got != bpf.ReasonNoFlow {
		t.Errorf("a packet to it is %s", got)
	}
}
