package xdp

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// soon is a lease that ends while a test looks on.
const soon = 60 * time.Millisecond

// reason returns why the program let go of a frame.
func (r *rig) reason(t *testing.T, d datagram) bpf.Reason {
	t.Helper()
	moved := r.moved(func() { r.run(t, r.in(d.dst), d.frame(t)) })
	for reason, n := range moved {
		if len(moved) == 1 && n == 1 {
			return reason
		}
	}
	t.Fatalf("reasons moved: %v", moved)
	return 0
}

// What ends stops in the kernel by itself, also when nobody says so.
// ME-06, ME-07
func TestLifetimes(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	for _, tt := range []struct {
		name   string
		begin  func(t *testing.T)
		d      datagram
		before bpf.Reason
		after  bpf.Reason
	}{
		{"channel", r.lasting(up(4, 4)), u4, bpf.ReasonForwarded, bpf.ReasonLeaseExpired},
		{"channel, IPv6", r.lasting(up(6, 6)), u6, bpf.ReasonForwarded, bpf.ReasonLeaseExpired},
		{"peer", r.lasting(down(4, 4)), d4, bpf.ReasonForwarded, bpf.ReasonStranger},
		{"permission", func(t *testing.T) {
			permit(relay6, peer6, time.Now().Add(soon))(t, r)
		}, d6, bpf.ReasonNoFlow, bpf.ReasonStranger},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			tt.begin(t)
			if got := r.reason(t, tt.d); got != tt.before && time.Since(begin) < soon/2 {
				t.Errorf("at first %s, want %s", got, tt.before)
			}
			eventually(t, "the kernel stops", func() bool { return r.reason(t, tt.d) == tt.after })
			if early := soon - time.Since(begin); early > 20*time.Millisecond {
				t.Errorf("it stopped %v too early", early)
			}
		})
	}
}

// lasting installs a flow whose lease soon ends.
func (r *rig) lasting(f relay.Flow) func(*testing.T) {
	return func(t *testing.T) {
		id, err := r.Install(f, time.Now().Add(soon))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Remove(id) })
	}
}

// ME-06
func TestLeaseIsRenewed(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	id := r.mustInstall(t, up(4, 4))
	for _, tt := range []struct {
		name  string
		until time.Time
		want  bpf.Reason
	}{
		{"over", time.Now().Add(-time.Second), bpf.ReasonLeaseExpired},
		{"again", time.Now().Add(time.Minute), bpf.ReasonForwarded},
		{"never was", time.Time{}, bpf.ReasonLeaseExpired},
		{"for ever", time.Unix(1<<40, 0), bpf.ReasonForwarded},
		{"for a year", time.Now().AddDate(1, 0, 0), bpf.ReasonForwarded},
		{"a year ago", time.Now().AddDate(-1, 0, 0), bpf.ReasonLeaseExpired},
	} {
		r.Lease(id, tt.until)
		if got := r.reason(t, u4); got != tt.want {
			t.Errorf("lease %s: %s, want %s", tt.name, got, tt.want)
		}
	}
	r.Lease(id, time.Now().Add(time.Minute))
	r.Remove(id)
	if got := r.reason(t, u4); got != bpf.ReasonControl {
		t.Errorf("removed: %s", got)
	}
	r.Lease(id, time.Now().Add(time.Minute)) // of nothing
	if got := r.reason(t, u4); got != bpf.ReasonControl {
		t.Errorf("a lease brought a removed flow back: %s", got)
	}
}

// While the process is away flows go on, and what has none is dropped in silence.
// ME-06
func TestHeartbeat(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	r.mustInstall(t, up(4, 4))
	before := r.heartbeatNow()
	eventually(t, "the heart beats", func() bool { return r.heartbeatNow() > before+uint64(beat) })
	if got := r.reason(t, stun); got != bpf.ReasonControl {
		t.Errorf("with the process: %s", got)
	}
	r.stopHeartbeat()
	eventually(t, "the process counts as away", func() bool { return r.reason(t, stun) == bpf.ReasonOwnerDown })
	if age := time.Duration(monotonic() - r.heartbeatNow()); age < time.Second || age > 1500*time.Millisecond {
		t.Errorf("away after %v", age)
	}
	if got := r.reason(t, u4); got != bpf.ReasonForwarded {
		t.Errorf("a flow without the process: %s", got)
	}
}

// ME-07
func TestPorts(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	other := addr("198.18.0.1:24000") // the relay's port at another address
	for i, step := range []struct {
		do   func() error
		want bpf.Reason // of a packet to the relay
	}{
		{func() error { return nil }, bpf.ReasonStranger},
		{func() error { return r.OpenPort(relay4, relay.PortLearning) }, bpf.ReasonNoFlow},
		{func() error { return r.OpenPort(relay4, relay.PortRelay) }, bpf.ReasonStranger},
		{func() error { return r.OpenPort(relay4, relay.PortRelay) }, bpf.ReasonStranger},
		{func() error { return r.OpenPort(other, relay.PortListener) }, bpf.ReasonNotTurn}, // one kind for a port
		{func() error { return r.ClosePort(other) }, bpf.ReasonStranger},
		{func() error { return r.ClosePort(other) }, bpf.ReasonStranger},
		{func() error { return r.ClosePort(relay6) }, bpf.ReasonStranger},
		{func() error { return r.ClosePort(relay4) }, bpf.ReasonNotOurs},
		{func() error { return r.ClosePort(relay4) }, bpf.ReasonNotOurs},
		{func() error { return r.OpenPort(relay4, relay.PortRelay) }, bpf.ReasonStranger},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if got := r.reason(t, d4); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}
