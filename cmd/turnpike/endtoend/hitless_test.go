package endtoend_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/load"
)

// What every node of these tests carries.
const (
	hitlessRelays = 200
	hitlessRate   = 100_000 // packets per second of each node
	absence       = 20 * time.Second
)

// restart is one way for a process to go and another to come.
type restart struct {
	name   string
	signal unix.Signal
	after  file // what the next process finds
	build  func() (string, error)
}

// ME-06
func TestNoPacketIsLostInARestart(t *testing.T) {
	binary(t)
	restarts := []restart{
		{name: "killed", signal: unix.SIGKILL},
		{name: "terminated", signal: unix.SIGTERM},
		{name: "larger tables", signal: unix.SIGKILL, after: file{platform: "custom", turn: "max_relays: 20000"}},
	}
	var sites []*site
	for range restarts {
		n := newNode(t, lab.Options{}, file{})
		sites = append(sites, newSite(t, n, hitlessRelays))
	}
	traffic := startTraffic(t, hitlessRate, sites...)
	t.Run("restarts", func(t *testing.T) {
		for i, r := range restarts {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.do(t, sites[i])
			})
		}
	})
	sent := traffic.end(t)
	t.Logf("%.0f packets/s for %s, the generator late by %s", traffic.sent.Rate(), traffic.sent.Elapsed, traffic.sent.Late)
	for i, r := range restarts {
		t.Run("lost/"+r.name, func(t *testing.T) {
			sites[i].noLoss(t, sent[i])
			t.Logf("%d packets", sum(sent[i]))
		})
	}
}

// do has the process of a site go for a while and another come.
func (r restart) do(t *testing.T, s *site) {
	s.flowing(t)
	before := s.list(t)
	s.end(t, r.signal)
	left := time.Now()
	renewed := make(chan load.Report)
	go func() {
		report, err := s.fleet.Renew(t.Context())
		if err != nil {
			t.Errorf("renew relays while no process lives: %v", err)
		}
		renewed <- report
	}()
	s.flowing(t)
	wait(t, time.Until(left.Add(absence)))
	s.configure(t, r.after)
	began := time.Now()
	s.start(t)
	t.Logf("gone for %s, ready after %s", began.Sub(left), time.Since(began))
	s.flowing(t)
	fresh := s.newFleet(t, 50, laterPeer)
	report, err := fresh.Setup(t.Context(), load.Pace{})
	if err != nil {
		t.Errorf("new relays: %v", err)
	}
	t.Logf("50 new relays in %s, %d requests repeated", report.Elapsed, report.Repeated)
	old := <-renewed
	t.Logf("%d renewed after %s, %d requests repeated, %d challenged", old.Done, old.Elapsed, old.Repeated, old.Challenged)
	_ = before
}

// wait lets time pass; that is what the test is about.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
