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
)

// ME-06: nobody renews the leases any more, and the kernel ends by itself what it was
// not told to go on with.
func TestKernelStopsByItself(t *testing.T) {
	built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 20)
	startTraffic(t, 4000, s)
	s.flowing(t)
	before := s.list(t)
	s.end(t, unix.SIGKILL)
	left := time.Now()

	wait(t, time.Until(left.Add(absence)))
	s.flowing(t)
	stopped := s.stops(t, left.Add(relay.LeaseTime+2*time.Second))
	t.Logf("media stopped %s after the end of the process", stopped.Sub(left))
	const early = 2 * time.Second // a renewal, a step of the clock, and a busy machine
	if after := stopped.Sub(left); after < relay.LeaseTime-early {
		t.Errorf("media stopped after %s, long before a lease of %s is over", after, relay.LeaseTime)
	}

	wait(t, time.Until(left.Add(relay.LeaseTime+10*time.Second)))
	if now := s.arrived(t); !slices.Equal(now, s.arrived(t)) {
		t.Error("something is relayed again")
	}
	s.start(t)
	s.flowing(t)
	s.checkSame(t, before, s.list(t), true)
	checkTimeLeft(t, before, s.list(t))
	s.checkNewRelays(t)
	if s.left(t, "lease_expired") == 0 {
		t.Errorf("no packet came after its lease\n%s", s.whereabouts(t))
	}
}

// stops returns when the last packet of the site arrived, which must be by the deadline.
func (s *site) stops(t *testing.T, deadline time.Time) time.Time {
	t.Helper()
	const quiet = 500 * time.Millisecond
	last, since := s.arrived(t), time.Now()
	for time.Since(since) < quiet {
		wait(t, 10*time.Millisecond)
		if now := s.arrived(t); !slices.Equal(now, last) {
			last, since = now, time.Now()
		}
		if since.After(deadline) {
			t.Fatalf("media goes on\n%s", s.whereabouts(t))
		}
	}
	return since
}

// left is how many packets left the kernel's relay for a reason.
func (n *node) left(t *testing.T, reason string) uint64 {
	t.Helper()
	reasons, err := n.api.Reasons(t.Context())
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
