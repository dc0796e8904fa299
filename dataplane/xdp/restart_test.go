package xdp

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// next opens what the rig's process left, as the next process does.
func (r *rig) next(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.PinDir, cfg.Interfaces = r.cfg.PinDir, r.cfg.Interfaces
	if cfg.MaxFlows == 0 {
		cfg.MaxFlows = r.cfg.MaxFlows
	}
	b, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // a test may have closed it
	return &rig{Backend: b, s0: r.s0, s1: r.s1}
}

func (r *rig) mustActivate(t *testing.T) {
	t.Helper()
	if err := r.Activate(); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) mustSweep(t *testing.T, want int) {
	t.Helper()
	if n, err := r.Sweep(); n != want || err != nil {
		t.Errorf("%d strays, %v, want %d", n, err, want)
	}
}

// Counters of flows and of reasons go on in the next process, and so does what a bucket
// holds.
// ME-05, ME-06
func TestCountersOutliveTheNextStart(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f := policed(1)
	f.Depth = 10 * time.Second
	id, gone := r.mustInstall(t, f), r.mustInstall(t, up(4, 4))
	stray := r.mustInstall(t, up(6, 6))
	for range 5 {
		r.reason(t, packet(f, rtpPayload(1, 1, 1, 10)))
		r.reason(t, u4)
		r.reason(t, u6)
	}
	for r.reason(t, packet(f, pattern(100))) != bpf.ReasonPoliced {
	}
	r.Remove(gone)
	before, forwarded := r.Counters(id), r.Reasons()[bpf.ReasonForwarded]
	if before.Packets < 20 || before.Policed != 1 || forwarded != before.Packets+10 {
		t.Fatalf("counted %+v, %d forwarded", before, forwarded)
	}
	r.stopHeartbeat()

	next := r.next(t, Config{})
	if got := next.Reasons(); got[bpf.ReasonForwarded] != forwarded || got[bpf.ReasonPoliced] != 1 {
		t.Errorf("opened: %d forwarded, %d policed", got[bpf.ReasonForwarded], got[bpf.ReasonPoliced])
	}
	next.mustTellPorts(t)
	if id = next.mustAdd(t, f); next.Counters(id).Packets != before.Packets {
		t.Errorf("taken over: %+v", next.Counters(id))
	}
	next.mustActivate(t)
	if diff := cmp.Diff(before, next.Counters(id), cmpopts.EquateApproxTime(time.Millisecond)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	// It takes six seconds to hold as much.
	if got := next.reason(t, packet(f, pattern(1400))); got != bpf.ReasonPoliced {
		t.Errorf("the bucket is full again: %s", got)
	}
	next.mustSweep(t, 1)
	next.mustSweep(t, 0)
	if got := next.Reasons()[bpf.ReasonForwarded]; got != forwarded {
		t.Errorf("without the stray %d are forwarded, %d before", stray, got)
	}
	if got := next.reason(t, u6); got != bpf.ReasonControl {
		t.Errorf("a packet of the stray: %s", got)
	}
}

// mustAdd installs a flow, perhaps before the program is active.
func (r *rig) mustAdd(t *testing.T, f relay.Flow) relay.FlowID {
	t.Helper()
	id, err := r.Install(f, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The sweep removes what the next process does not know, and puts back what is missing.
// ME-06
func TestSweep(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.mustInstall(t, up(4, 4))
	r.mustInstall(t, down(4, 4))
	for _, err := range []error{
		r.Permit(relay4, peer4.Addr(), time.Now().Add(time.Hour)),
		r.Permit(relay6, peer6.Addr(), time.Now().Add(time.Hour)),
		r.OpenPort(addr("198.18.1.1:24700"), relay.PortRelay),
		r.OpenPort(addr("198.18.7.7:24701"), relay.PortRelay),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.stopHeartbeat()

	next := r.next(t, Config{})
	next.mustTellPorts(t)
	id := next.mustAdd(t, up(4, 4))
	next.mustActivate(t)
	if err := next.Permit(relay4, peer4.Addr(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	next.mustSweep(t, 4) // a flow, a permission, two ports
	for what, tt := range map[string]struct {
		d    datagram
		want bpf.Reason
	}{
		"flow":               {u4, bpf.ReasonForwarded},
		"flow that is gone":  {d4, bpf.ReasonNoFlow},
		"permission gone":    {d6, bpf.ReasonStranger},
		"port gone":          {d4.to("198.18.1.1:24700"), bpf.ReasonNotOurs},
		"port, address gone": {d4.to("198.18.7.7:24701"), bpf.ReasonNotOurs},
		"address gone":       {d4.to("198.18.7.7:24000"), bpf.ReasonNotOurs},
	} {
		if got := next.reason(t, tt.d); got != tt.want {
			t.Errorf("%s: %s, want %s", what, got, tt.want)
		}
	}
	key := encodeKey(up(4, 4).Key)
	if err := next.maps.Flows.Delete(&key); err != nil {
		t.Fatal(err)
	}
	next.mustSweep(t, 1)
	clear(next.memory.hints)
	if got := next.reason(t, u4); got != bpf.ReasonForwarded {
		t.Errorf("a missing flow was not put back: %s", got)
	}
	next.Remove(id)
	next.mustSweep(t, 0)
}

// Tables of other sizes are other tables: the program changes with them, and the old
// ones go.
// ME-06
func TestOtherTables(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{MaxFlows: 64})
	r.mustInstall(t, up(4, 4))
	old := r.pins.maps
	r.stopHeartbeat()
	next := r.next(t, Config{MaxFlows: 128})
	next.mustTellPorts(t)
	next.mustAdd(t, up(4, 4))
	if program, _ := attached(t, "s0"); program != r.progID {
		t.Errorf("program %d is on s0 before the change, want %d", program, r.progID)
	}
	if got := r.reason(t, u4); got != bpf.ReasonForwarded {
		t.Errorf("before the change: %s", got)
	}
	next.mustActivate(t)
	if program, _ := attached(t, "s0"); program != next.progID {
		t.Errorf("program %d is on s0, want %d", program, next.progID)
	}
	if got := next.reason(t, u4); got != bpf.ReasonForwarded {
		t.Errorf("after the change: %s", got)
	}
	if _, err := os.Stat(old); err == nil {
		t.Errorf("%s is left", old)
	}
}

// A hundred restarts leave no flow, port, file descriptor, goroutine or pin.
// ME-06
func TestRestartsLeaveNothing(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	var files, routines int
	const restarts = 100
	for i := range restarts {
		if i == 10 { // whatever is only made once is made
			files, routines = openFiles(t), runtime.NumGoroutine()
		}
		next := r.next(t, Config{})
		next.mustTellPorts(t)
		id := next.mustAdd(t, versions(uint16(i % 3))[i%4])
		next.mustActivate(t)
		if n, err := next.Sweep(); err != nil || n > 1 {
			t.Errorf("restart %d: %d strays, %v", i, n, err)
		}
		if i%2 == 0 {
			next.Remove(id)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no file descriptor is left", func() bool { return openFiles(t) <= files })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= routines })
	last := r.next(t, Config{})
	found, err := last.readFlows()
	if err != nil || len(found) != restarts%2 && len(found) > 1 {
		t.Errorf("%d flows are left, %v", len(found), err)
	}
	last.mustTellPorts(t)
	if n, err := last.Sweep(); err != nil || n != len(found) {
		t.Errorf("%d strays for %d flows, %v", n, len(found), err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
