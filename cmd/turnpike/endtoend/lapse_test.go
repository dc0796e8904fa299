package endtoend_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// ME-06: nobody renews the leases any more, and the kernel ends by itself what it was
// not told to go on with.
func TestKernelStopsByItself(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 20)
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	before := s.list(t)
	s.End(t, unix.SIGKILL)
	left := time.Now()

	wait(t, time.Until(left.Add(absence)))
	s.flowing(t)
	s.stops(t, traffic, left)

	wait(t, time.Until(left.Add(relay.LeaseTime+10*time.Second)))
	if now := s.arrived(t); !slices.Equal(now, s.arrived(t)) {
		t.Error("something is relayed again")
	}
	s.Start(t)
	s.flowing(t)
	s.checkSame(t, before, s.list(t), true)
	checkTimeLeft(t, before, s.list(t))
	s.checkNewRelays(t)
	if s.left(t, "lease_expired") == 0 {
		t.Errorf("no packet came after its lease\n%s", s.whereabouts(t))
	}
}

// A process that is held up is as good as gone; it goes on when it is let.
func TestKernelStopsForAHungProcess(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 20)
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	before := s.list(t)
	s.Signal(t, unix.SIGSTOP)
	held := time.Now()
	s.stops(t, traffic, held)
	s.Signal(t, unix.SIGCONT)
	s.flowing(t)
	s.checkSame(t, before, s.list(t), true)
	checkTimeLeft(t, before, s.list(t))
	s.checkNewRelays(t)
}

// stops waits until no more packets of the site arrive while others are sent, and returns
// when the last one was seen. That must be when the leases are over.
func (s *site) stops(t *testing.T, traffic *traffic, left time.Time) {
	t.Helper()
	const enough = 4000 // packets
	last, since, sent := s.arrived(t), time.Now(), traffic.sent.Load()
	for traffic.sent.Load()-sent < enough {
		wait(t, 10*time.Millisecond)
		if now := s.arrived(t); !slices.Equal(now, last) {
			last, since, sent = now, time.Now(), traffic.sent.Load()
		}
		if time.Since(left) > relay.LeaseTime+10*time.Second {
			t.Fatalf("media goes on\n%s", s.whereabouts(t))
		}
	}
	after := since.Sub(left)
	t.Logf("media stopped %s after the process", after)
	// A renewal may be a second old, the clock has steps, and the machine may be busy.
	if after < relay.LeaseTime-2*time.Second || after > relay.LeaseTime+time.Second {
		t.Errorf("media stopped %s after the process, leases are over after %s", after, relay.LeaseTime)
	}
}

// left is how many packets left the kernel's relay for a reason.
func (n *node) left(t *testing.T, reason string) uint64 {
	t.Helper()
	reasons, err := n.API.Reasons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reasons {
		if r.Reason == reason && r.Path == "xdp" {
			return r.Packets
		}
	}
	t.Fatalf("no reason %s", reason)
	return 0
}

// checkTimeLeft checks that nothing got more time, or less, by the restart.
func checkTimeLeft(t *testing.T, before, after []api.Relay) {
	t.Helper()
	ends := func(r api.Relay) map[string]time.Time {
		m := map[string]time.Time{"allocation": r.Expires}
		for _, p := range r.Permissions {
			m["permission of "+p.Peer] = p.Expires
		}
		for _, c := range r.Channels {
			m[fmt.Sprint("channel ", c.Number)] = c.Expires
		}
		return m
	}
	now := map[uint64]map[string]time.Time{}
	for _, r := range after {
		now[r.ID] = ends(r)
	}
	for _, r := range before {
		for what, was := range ends(r) {
			if d := now[r.ID][what].Sub(was).Abs(); d > 100*time.Millisecond {
				t.Errorf("relay %d: the end of the %s moved by %s", r.ID, what, d)
			}
		}
	}
}
