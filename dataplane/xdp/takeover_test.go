package xdp

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// The next process disturbs no flow: neither by opening what is pinned, before it knows
// what to take over, nor by activating its own program.
// ME-06
func TestFlowsOutliveTheNextStart(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{PinDir: pinDir(t)})
	r.mustInstall(t, up(4, 4))
	r.mustInstall(t, down(6, 6))
	forwards := func(when string) {
		t.Helper()
		for _, d := range []datagram{u4, d6} {
			if got := r.reason(t, d); got != bpf.ReasonForwarded {
				t.Errorf("%s: %s", when, got)
			}
		}
	}
	forwards("at first")
	r.stopHeartbeat()
	for _, s := range r.sockets {
		_ = s.Close()
	}
	next, err := Open(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
	forwards("the next process has opened the tables")
	then := rig{Backend: next, s0: r.s0, s1: r.s1}
	then.mustOpenPorts(t)
	for _, f := range []relay.Flow{up(4, 4), down(6, 6)} {
		if _, err := next.Install(f, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	forwards("the next process knows the flows")
	if strays, err := next.Sweep(); err != nil || strays != 0 {
		t.Errorf("%d strays, %v", strays, err)
	}
	if err := next.Activate(); err != nil {
		t.Fatal(err)
	}
	r = &then
	forwards("the next process is active")
}
