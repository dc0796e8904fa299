package endtoend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// What every node of these tests carries.
const (
	hitlessRelays = 200
	hitlessRate   = 110_000 // packets per second of each node, some less with pauses
	absence       = 20 * time.Second
)

// restart is one way for a process to go and another to come.
type restart struct {
	name   string
	signal unix.Signal
	next   func() (string, error) // builds the program that comes; nil: the same
	// keeps: the tables stay, and with them the counters.
	keeps bool
}

// ME-06. Not at the same time as the other tests: they would take the processors from
// what sends 100,000 packets/s through each of the nodes.
func TestNoPacketIsLostInARestart(t *testing.T) {
	bin := nodetest.Built(t)
	restarts := []restart{
		{name: "killed", signal: unix.SIGKILL, keeps: true},
		{name: "terminated", signal: unix.SIGTERM, keeps: true},
		{name: "terminated, another BPF program comes", signal: unix.SIGTERM, next: otherProgram, keeps: true},
		{name: "killed, other BPF maps come", signal: unix.SIGKILL, next: otherSchema},
	}
	var sites []*site
	programs := make([]string, len(restarts))
	for i, r := range restarts {
		programs[i] = bin
		if r.next != nil {
			var err error
			if programs[i], err = r.next(); err != nil {
				t.Fatal(err)
			}
		}
		sites = append(sites, newSite(t, newNode(t, lab.Options{}, file{}), hitlessRelays))
	}
	traffic := startTraffic(t, hitlessRate, sites...)
	t.Run("restarts", func(t *testing.T) {
		for i, r := range restarts {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.do(t, sites[i], programs[i])
			})
		}
	})
	sent := traffic.end(t)
	t.Logf("%.0f packets/s through each node for %s", traffic.rate()/float64(len(sites)), traffic.elapsed)
	for i, r := range restarts {
		t.Run(r.name, func(t *testing.T) {
			sites[i].noLoss(t, sent[i])
			t.Logf("%d packets", sum(sent[i]))
		})
	}
}

// do has the process of a site go for a while and another come.
func (r restart) do(t *testing.T, s *site, program string) {
	s.flowing(t)
	before := s.list(t)
	tag := s.programTag(t)
	s.End(t, r.signal)
	left := time.Now()
	renewed := s.renewMeanwhile(t)
	s.flowing(t)
	wait(t, time.Until(left.Add(absence)))
	s.flowing(t)
	s.Program = program
	came := time.Now()
	s.Start(t)
	t.Logf("gone for %s, ready after another %s", came.Sub(left), time.Since(came))
	s.checkNewRelays(t)
	s.flowing(t)
	s.checkSame(t, before, s.list(t), r.keeps)
	renewed(t)
	if changed := s.programTag(t) != tag; changed != (r.next != nil) {
		t.Errorf("the BPF program changed: %t", changed)
	}
}

// renewMeanwhile has every client refresh its allocation, permission and channel, and
// repeat each request until it is answered. The result is for the time after.
func (s *site) renewMeanwhile(t *testing.T) func(*testing.T) {
	type result struct {
		load.Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		report, err := s.fleet.Renew(t.Context())
		done <- result{report, err}
	}()
	return func(t *testing.T) {
		t.Helper()
		r := <-done
		switch {
		case r.err != nil:
			t.Errorf("renew what was granted: %v", r.err)
		case r.Repeated == 0:
			t.Error("no request was repeated: none was sent while no process lived")
		case r.Challenged > 0:
			t.Errorf("%d of %d clients had to sign again", r.Challenged, r.Done)
		}
		t.Logf("%d clients renewed all they had, %d requests repeated", r.Done, r.Repeated)
	}
}

// checkNewRelays makes relays with a process that has just come.
func (s *site) checkNewRelays(t *testing.T) {
	t.Helper()
	const (
		relays = 50
		atOnce = 3 * time.Second // on a busy machine
	)
	began := time.Now()
	report, err := s.newFleet(t, clients{number: relays, firstPeer: laterPeer}).Setup(t.Context(), load.Pace{})
	if err != nil || report.Elapsed > atOnce {
		t.Errorf("new relays after %s, %d requests repeated, %v", report.Elapsed, report.Repeated, err)
	}
	t.Logf("%d new relays after %s", report.Done, time.Since(began))
}

// checkSame checks that the relays of before are there after, on XDP.
func (s *site) checkSame(t *testing.T, before, after []api.Relay, counted bool) {
	t.Helper()
	now := map[uint64]api.Relay{}
	for _, r := range after {
		now[r.ID] = r
	}
	for _, was := range before {
		is := now[was.ID]
		if is.Path != "xdp" {
			t.Fatalf("relay %d: path=%s %s", was.ID, is.Path, is.Reason)
		}
		if d := cmp.Diff(identity(was), identity(is)); d != "" {
			t.Fatalf("relay %d (-before +after):\n%s", was.ID, d)
		}
		wasUp, wasDown := was.Packets()
		if up, down := is.Packets(); counted && (up < wasUp || down < wasDown) {
			t.Errorf("relay %d: %d and %d packets counted, %d and %d before", was.ID, up, down, wasUp, wasDown)
		}
	}
	if d, err := s.API.Dataplane(t.Context()); err != nil || d.Flows.Strays != 0 {
		t.Errorf("%d strays, %v", d.Flows.Strays, err)
	}
}

// identity is what of a relay a restart must not change.
func identity(r api.Relay) []string {
	id := []string{r.User, r.Client, r.Server, fmt.Sprint(r.Relay)}
	for _, c := range r.Channels {
		id = append(id, fmt.Sprint(c.Number, c.Peer))
	}
	return id
}

func (n *node) programTag(t *testing.T) string {
	t.Helper()
	d, err := n.API.Dataplane(t.Context())
	if err != nil || d.Program == nil {
		t.Fatalf("no program: %v", err)
	}
	return d.Program.Tag
}

// wait lets time pass where time is what the test is about.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
