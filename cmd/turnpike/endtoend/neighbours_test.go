package endtoend_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// Two nodes with one name on one machine: they differ in their state directories, and
// that is enough.
func TestNodesDoNotCollide(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	same := file{name: "twin"}
	a := newSite(t, newNode(t, lab.Options{}, same), 10)
	b := newSite(t, newNode(t, lab.Options{}, same), 10)
	if a.pins(t) == b.pins(t) {
		t.Fatalf("both pin in %s", a.pins(t))
	}
	traffic := startTraffic(t, 4000, a, b)
	a.flowing(t)
	b.flowing(t)
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		a.End(t, signal)
		a.Start(t)
		a.flowing(t)
		b.flowing(t)
	}
	for i, sent := range traffic.end(t) {
		[]*site{a, b}[i].noLoss(t, sent)
	}
	a.checkCleanup(t)
	traffic = startTraffic(t, 4000, b)
	b.flowing(t)
	traffic.end(t)
	b.checkNewRelays(t)
}

// The same in one namespace, each with an interface of its own.
func TestNodesShareANamespace(t *testing.T) {
	bin := nodetest.Built(t)
	t.Parallel()
	l := labtest.New(t, lab.Options{})
	a, b := nodeIn(t, l, bin), nodeIn(t, l, bin)
	a.configure(t, file{name: "a", interfaces: "external: {name: s0}"})
	b.configure(t, file{name: "b", interfaces: "external: {name: s1}"})
	a.Start(t)
	b.Start(t)
	for _, n := range []*node{a, b} {
		st, err := n.API.Status(t.Context())
		if err != nil || st.Path != "xdp" || len(st.Interfaces) != 1 {
			t.Errorf("status %+v, %v", st, err)
		}
	}
	a.End(t, unix.SIGKILL)
	a.Command(t, 0, "cleanup")
	if st, err := b.API.Status(t.Context()); err != nil || st.Path != "xdp" || len(st.Degraded) > 0 {
		t.Errorf("after the other's cleanup: %+v, %v", st, err)
	}
}

// A state directory is for one process at a time.
func TestStateDirectoryIsForOneProcess(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{}), 5)
	second := s.Lab.Node.Command(t.Context(), s.Program, "serve", "-c", s.File())
	said, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "a node is alive") {
		t.Errorf("a second process: %v\n%s", err, said)
	}
	s.Command(t, 1, "cleanup")
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	s.checkNewRelays(t)
}

// ME-06: a node that is given another name goes on with what it had.
func TestNodeIsRenamed(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	s := newSite(t, newNode(t, lab.Options{}, file{name: "before"}), 10)
	old, before := s.pins(t), s.list(t)
	traffic := startTraffic(t, 4000, s)
	s.flowing(t)
	s.End(t, unix.SIGTERM)
	s.configure(t, file{name: "after"})
	s.Start(t)
	s.flowing(t)
	s.checkSame(t, before, s.list(t), true)
	s.noLoss(t, traffic.end(t)[0])
	if pins := s.pins(t); !strings.HasPrefix(filepath.Base(pins), "after-") {
		t.Errorf("pins are in %s", pins)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pins of the old name are left: %v", err)
	}
}
