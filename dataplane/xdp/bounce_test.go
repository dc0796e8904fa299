package xdp

import (
	"testing"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// A packet that leaves by the interface it came by is redirected like any other where
// that is a veth, and sent back by XDP_TX elsewhere.
func TestSendsBack(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f := up(4, 4)
	f.Out.Dst = client4
	r.mustInstall(t, f)
	if verdict, _ := r.run(t, r.s0, packet(f, pattern(20)).frame(t)); verdict != xdpRedirect {
		t.Errorf("on a veth: verdict %d", verdict)
	}
	// The watch may read the devices anew in between, as they really are.
	eventually(t, "frames are sent back by another device", func() bool {
		r.mu.Lock()
		s0 := r.router.devices[r.s0.Attrs().Index]
		s0.bounces = true
		r.router.devices[r.s0.Attrs().Index] = s0
		r.renewHops()
		r.mu.Unlock()
		verdict, _ := r.run(t, r.s0, packet(f, pattern(20)).frame(t))
		return verdict == xdpTX
	})
	other := relay.Flow{Key: down(4, 4).Key, Out: relay.Out{Src: listener4, Dst: client4}}
	r.mustInstall(t, other)
	if verdict, _ := r.run(t, r.s1, packet(other, pattern(20)).frame(t)); verdict != xdpRedirect {
		t.Errorf("from another device: verdict %d", verdict)
	}
}
