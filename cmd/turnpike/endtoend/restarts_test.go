package endtoend_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/nodetest"
	"turnpike.dev/turnpike/perf/load"
)

// ME-06: a hundred processes, one after the other, some of them killed; relays that
// stay, and others that come and go. Nothing may pile up.
func TestHundredRestartsLeaveNothing(t *testing.T) {
	nodetest.Built(t)
	t.Parallel()
	const stay, restarts = 30, 100
	s := newSite(t, newNode(t, lab.Options{}, file{}), stay)
	first := s.holdings(t)
	if first.flows != 2*stay || first.permissions != stay || first.programs != 1 || first.strays != 0 {
		t.Fatalf("%d relays hold %+v", stay, first)
	}
	var guests *load.Fleet
	for i := range restarts {
		if i%10 == 3 {
			guests = s.newFleet(t, clients{number: 10, firstPeer: laterPeer})
			if _, err := guests.Setup(t.Context(), load.Pace{}); err != nil {
				t.Fatal(err)
			}
		}
		s.End(t, []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGKILL}[i%3])
		s.Start(t)
		if i%10 == 6 {
			if _, err := guests.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i%10 == 9 {
			s.holds(t, first, fmt.Sprint("after ", i+1, " restarts"))
		}
	}
	traffic := startTraffic(t, 8000, s)
	s.flowing(t)
	s.noLoss(t, traffic.end(t)[0])
	s.checkCleanup(t)
}

// holdings are what a node takes of the machine.
type holdings struct {
	relays, files, ports, pins   int
	flows, permissions, programs int
	strays                       uint64
}

func (s *site) holdings(t *testing.T) holdings {
	t.Helper()
	d, err := s.API.Dataplane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := holdings{relays: len(s.list(t)), strays: d.Flows.Strays, programs: s.programs(t)}
	h.flows, h.permissions = s.entries(t, "flows"), s.entries(t, "permissions")
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	h.files = len(files)
	h.ports = s.udpPorts(t)
	_ = filepath.WalkDir(s.pins(t), func(string, os.DirEntry, error) error { h.pins++; return nil })
	return h
}

// holds waits until the node holds what it should.
func (s *site) holds(t *testing.T, want holdings, when string) {
	t.Helper()
	const files = 3 // of the runtime, and questions that are being answered
	nodetest.Eventually(t, 5*time.Second, when, func() error {
		got := s.holdings(t)
		if d := got.files - want.files; d >= -files && d <= files {
			got.files = want.files
		}
		if got != want {
			return fmt.Errorf("the node holds %+v, want %+v", got, want)
		}
		return nil
	})
}

// entries counts what is in one of the node's pinned maps.
func (n *node) entries(t *testing.T, name string) (count int) {
	t.Helper()
	m := n.pinned(t, name)
	defer func() { _ = m.Close() }()
	key, value := make([]byte, m.KeySize()), make([]byte, m.ValueSize())
	all := m.Iterate()
	for all.Next(&key, &value) {
		count++
	}
	if err := all.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}

// mapID is the kernel's number of one of the node's pinned maps.
func (n *node) mapID(t *testing.T, name string) ebpf.MapID {
	t.Helper()
	m := n.pinned(t, name)
	defer func() { _ = m.Close() }()
	info, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, ok := info.ID()
	if !ok {
		t.Fatalf("map %s has no number", name)
	}
	return id
}

func (n *node) pinned(t *testing.T, name string) *ebpf.Map {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(n.pins(t), "v*", name))
	if len(found) != 1 {
		t.Fatalf("%d maps %s pinned, want 1: %v", len(found), name, found)
	}
	m, err := ebpf.LoadPinnedMap(found[0], &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// programs counts the XDP programs that use the node's flows.
func (n *node) programs(t *testing.T) (count int) {
	t.Helper()
	flows := n.mapID(t, "flows")
	var id ebpf.ProgramID
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return count
		}
		if err != nil {
			t.Fatal(err)
		}
		if id = next; uses(id, flows) {
			count++
		}
	}
}

func uses(program ebpf.ProgramID, m ebpf.MapID) bool {
	p, err := ebpf.NewProgramFromID(program)
	if err != nil {
		return false // it has gone meanwhile
	}
	defer func() { _ = p.Close() }()
	info, err := p.Info()
	if err != nil {
		return false
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		if id == m {
			return true
		}
	}
	return false
}

// udpPorts counts the open UDP sockets on the node.
func (n *node) udpPorts(t *testing.T) (count int) {
	t.Helper()
	err := n.Lab.Node.Do(func() error {
		for _, file := range []string{"udp", "udp6"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				return err
			}
			count += bytes.Count(text, []byte("\n")) - 1
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// checkCleanup ends the node for good: nothing may be left of it.
func (s *site) checkCleanup(t *testing.T) {
	t.Helper()
	flows := s.mapID(t, "flows")
	s.End(t, unix.SIGKILL)
	s.Command(t, 0, "cleanup")
	s.noTrace(t)
	for _, l := range s.Lab.Node.Links { // the kernel detaches after the last reference to the link is gone
		nodetest.Eventually(t, 5*time.Second, "no program on "+l.Name, func() error {
			link, err := s.Lab.Node.Netlink().LinkByName(l.Name)
			if err == nil && link.Attrs().Xdp != nil && link.Attrs().Xdp.Attached {
				err = errors.New("one is left")
			}
			return err
		})
	}
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if n := s.udpPorts(t); n != 0 {
		t.Errorf("%d UDP ports are left", n)
	}
	nodetest.Eventually(t, 5*time.Second, "the kernel's memory", func() error {
		m, err := ebpf.NewMapFromID(flows)
		if err != nil {
			return nil
		}
		_ = m.Close()
		return errors.New("the flows are still there")
	})
}

// processes lists the processes of the node's program with its file.
func (n *node) processes(t *testing.T) (left []string) {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + p.Name() + "/cmdline") // it may have gone
		if strings.Contains(string(line), n.File()) {
			left = append(left, p.Name())
		}
	}
	return left
}
