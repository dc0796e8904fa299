package agreement_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/perf/lab"
)

// fullDisk is a file system of its own for what a peer agrees on, that can be full.
type fullDisk struct {
	t    *testing.T
	file string
}

// onSmallDisk gives a peer that has nothing yet such a disk.
func (r *rig) onSmallDisk(id cluster.ID) fullDisk {
	r.t.Helper()
	if os.Geteuid() != 0 {
		r.t.Skip(lab.ErrUnsupported)
	}
	p := r.peers[id]
	if err := p.Close(); err != nil {
		r.t.Fatal(err)
	}
	if err := unix.Mount("turnpike-test", p.cfg.Dir, "tmpfs", 0, "size=4m"); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { // after the peers have ended: newRig's is older
		if err := unix.Unmount(p.cfg.Dir, unix.MNT_DETACH); err != nil {
			r.t.Error(err)
		}
	})
	p.open()
	return fullDisk{r.t, filepath.Join(p.cfg.Dir, "filler")}
}

func (d fullDisk) fill() {
	d.t.Helper()
	f, err := os.Create(d.file)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Fatal(err)
	}
}

func (d fullDisk) free() {
	d.t.Helper()
	if err := os.Remove(d.file); err != nil {
		d.t.Fatal(err)
	}
}

// OP-06: a peer whose disk is full says so and has no part in what is agreed: a leader gives way, and
// each comes back by itself when there is room, with all that was agreed meanwhile.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a", "b", "c")
	disks := map[cluster.ID]fullDisk{"a": r.onSmallDisk("a"), "b": r.onSmallDisk("b")}
	r.form(first, "a", "b", "c")
	n := uint32(0)
	agreed := func() { // by those that can
		t.Helper()
		n++
		deadline := time.Now().Add(20 * time.Second)
		for {
			p := r.leader()
			if p != nil && p.Propose(total("x", n)) == nil {
				ends := time.Now().Add(2 * time.Second)
				for time.Now().Before(ends) && amount(r.peers["c"], "x") != n {
					<-p.Changed()
				}
			}
			if amount(r.peers["c"], "x") == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing is agreed")
			}
		}
	}
	full := func(id cluster.ID) func() bool {
		return func() bool { return strings.Contains(r.peers[id].State().Why, "no space") }
	}
	all := func() bool {
		for _, p := range r.peers {
			if amount(p, "x") != n || p.State().Why != "" {
				return false
			}
		}
		return true
	}
	r.until("all have it", all)

	for _, id := range []cluster.ID{"a", "b"} { // a leads; when b is full another leads
		disks[id].fill()
		for !full(id)() {
			agreed()
		}
		agreed()
		t.Logf("%s noticed its full disk at line %d", id, n)
		disks[id].free()
		r.until("it has caught up", all)
	}
}

const noRoomVariable = "TURNPIKE_AGREEMENT_NO_ROOM"

// OP-06: a process that cannot write which term it is in goes on, and its peers agree when they can write again. The limit that
// stands for the disk is the process's, so it is one of its own.
func TestTermIsNotKept(t *testing.T) {
	t.Parallel()
	if os.Getenv(noRoomVariable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTermIsNotKept$", "-test.v")
		cmd.Env = append(os.Environ(), noRoomVariable+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	r := newRig(t, "a", "b", "c")
	r.form(first, "a", "b", "c")
	room := func(bytes uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	room(0)
	r.leader().sever(true) // the others need a new term
	r.until("who stands for election cannot", func() bool {
		told = 0
		for _, p := range r.peers {
			if strings.Contains(p.State().Why, unix.EFBIG.Error()) {
				told++
			}
		}
		return told > 0
	})
	t.Logf("%d of 3 say so", told)
	room(unix.RLIM_INFINITY)
	for _, p := range r.peers {
		p.sever(false)
	}
	r.until("another leads", func() bool {
		p := r.leader()
		return p != nil && p.Propose(total("x", 3)) == nil && amount(r.peers["c"], "x") == 3
	})
	r.until("all have it", func() bool { return amount(r.peers["a"], "x") == 3 && amount(r.peers["b"], "x") == 3 })
}

// OP-06: what was proposed and is not settled does not keep a process from ending.
func TestEndsAmongProposals(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup // most of the time each waits for its election
	for range 16 {
		dir := t.TempDir()
		all.Go(func() {
			if err := endsAmongProposals(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func endsAmongProposals(dir string) error {
	a, err := agreement.Open(alone(dir))
	if err != nil {
		return err
	}
	if err := a.Write(membership.Write{Stored: membership.Stored{Cluster: first}, How: membership.Found, Address: "a"}); err != nil {
		return err
	}
	<-a.Leads()
	for i := range uint32(200) {
		if err := a.Propose(total("x", i)); err != nil {
			return err
		}
	}
	return a.Close()
}
