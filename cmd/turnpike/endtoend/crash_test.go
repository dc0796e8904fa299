package endtoend_test

import (
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// ME-06: a process may be killed at any moment of its start. What it has not taken over
// yet goes on, and the next one takes it over.
func TestKilledWhileStarting(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 50)
	before := s.list(t)
	traffic := startTraffic(t, 20_000, s)
	s.flowing(t)
	s.End(t, unix.SIGKILL)
	const longest = 400 * time.Millisecond // a start is over by then, or nearly
	for range 30 {
		s.Launch(t)
		wait(t, rand.N(longest))
		s.End(t, []unix.Signal{unix.SIGKILL, unix.SIGTERM}[rand.N(2)])
	}
	s.Start(t)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	s.checkSame(t, before, s.list(t), true)
	s.checkNewRelays(t)
}

// ME-06: a start that fails leaves media as it was.
func TestStartFails(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 50)
	before := s.list(t)
	traffic := startTraffic(t, 20_000, s)
	s.flowing(t)
	s.End(t, unix.SIGTERM)
	var other net.Listener
	if err := s.Lab.Node.Do(func() (err error) {
		other, err = net.Listen("tcp", s.server().String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.Launch(t)
	select {
	case <-s.Gone():
	case <-time.After(20 * time.Second):
		t.Errorf("the node runs without its port\n%s", s.Tail())
	}
	if !strings.Contains(s.Tail(), "listen on tcp "+s.server().String()) {
		t.Errorf("the node does not say why it ended\n%s", s.Tail())
	}
	s.flowing(t)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	s.checkSame(t, before, s.list(t), true)
	s.checkNewRelays(t)
}

// ME-03, ME-06: without XDP nothing is relayed while no process lives; what was granted
// is there again after it.
func TestRestartInTheProcess(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{more: "dataplane: {mode: userspace}"}), 20)
	before := s.list(t)
	startTraffic(t, 2000, s)
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		s.flowing(t)
		s.End(t, signal)
		s.Start(t)
	}
	s.flowing(t)
	checkTimeLeft(t, before, s.list(t))
	s.checkNewRelays(t)
}

// ME-06: what was granted is there after a kill, and what was given back is not: the
// journal is written before the answer leaves. A request that got no answer is
// repeated and ends well.
func TestKilledWhileGranting(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	const relays = 1000
	n := newNode(t, lab.Options{}, file{})
	f := n.newFleet(t, clients{number: relays, firstPeer: firstPeer})
	report, err := whileKilled(t, n, 300*time.Millisecond, func() (load.Report, error) {
		return f.Setup(t.Context(), load.Pace{Rate: 300})
	})
	if err != nil || report.Repeated == 0 {
		t.Errorf("%d requests repeated, %v", report.Repeated, err)
	}
	if got := len(n.list(t)); got != relays {
		t.Errorf("%d relays, %d were granted", got, relays)
	}
	s := emptySite(t, n)
	s.relays = f.Relays()
	traffic := startTraffic(t, 20_000, s)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])

	_, err = whileKilled(t, n, 50*time.Millisecond, func() (load.Report, error) { return f.Release(t.Context()) })
	// Who asks again for an end that was granted without an answer is told so.
	if err != nil && !strings.Contains(err.Error(), "refused: 437") {
		t.Error(err)
	}
	if got := len(n.list(t)); got != 0 {
		t.Errorf("%d relays are there again", got)
	}
}

// whileKilled has clients at work while the process is killed a few times, each time
// some moments after it was there.
func whileKilled(t *testing.T, n *node, moments time.Duration, work func() (load.Report, error)) (load.Report, error) {
	t.Helper()
	var report load.Report
	done := make(chan error, 1)
	go func() {
		var err error
		report, err = work()
		done <- err
	}()
	for range 5 {
		wait(t, rand.N(moments))
		n.End(t, unix.SIGKILL)
		n.Start(t)
	}
	err := <-done
	t.Logf("%d clients, %d requests repeated, %v", report.Done, report.Repeated, err)
	return report, err
}
