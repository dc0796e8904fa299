package clustertest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// diskRig is three nodes, each with a state directory that can be full, and a phone.
type diskRig struct {
	*rig
	disks  []*clusterlab.Disk
	phones *clusterlab.Phones
}

// OP-06, CL-03, CL-16: a disk that is full changes nothing by halves, is told, and is all right again when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := &diskRig{rig: newRig(t, 3, 1)}
	for _, n := range r.Nodes {
		d, err := n.NewDisk(48 << 20)
		must(t, err)
		r.disks = append(r.disks, d)
	}
	r.phones = r.newPhones()
	parts(
		r.rig, func(part *rig) *diskRig { return &diskRig{part, r.disks, r.phones} },
		part[*diskRig]{"Join", joinWithoutWriting},
		part[*diskRig]{"Change", changeWithoutRoom},
		part[*diskRig]{"ChangeOnThePrimary", primaryWithoutRoom},
		part[*diskRig]{"Registrations", registrationsWithoutRoom},
		part[*diskRig]{"Agreement", agreementWithoutWriting},
		part[*diskRig]{"Start", startWithoutRoom},
	)
}

// A subordinate keeps what it has, and takes the change when there is room.
func changeWithoutRoom(t *testing.T, r *diskRig) {
	must(t, r.disks[2].Fill())
	r.run(0, "config", "set", "turn.realm", "full.test")
	r.item(time.Second, "turn.realm", "full.test", 0, 1)
	r.told(5*time.Second, 2, 20009, unix.ENOSPC)
	r.item(0, "turn.realm", "turnpike", 2)
	if st := r.status(0); st.Peers[2].Digest == st.Peers[0].Digest {
		t.Error("tp1 takes tp3 for one that has the change")
	}
	must(t, r.disks[2].Free())
	r.whole(20*time.Second, 0, 1, 2)
	r.item(time.Second, "turn.realm", "full.test", 2)
	r.quiet(20*time.Second, nil, 0, 1, 2)
}

// The primary refuses a change, and nobody has any of it.
func primaryWithoutRoom(t *testing.T, r *diskRig) {
	must(t, r.disks[0].Fill())
	if why := r.refused(0, "config", "set", "turn.realm", "half.test"); !strings.Contains(why, unix.ENOSPC.Error()) {
		t.Errorf("it is refused with %q", why)
	}
	r.told(5*time.Second, 0, 20009, unix.ENOSPC)
	r.item(0, "turn.realm", "full.test", 0, 1, 2)
	must(t, r.disks[0].Free())
	r.run(0, "config", "set", "turn.realm", "room.test")
	r.item(time.Second, "turn.realm", "room.test", 0, 1, 2)
	r.quiet(20*time.Second, nil, 0, 1, 2)
}

// Phones go on registering, and all peers know them.
func registrationsWithoutRoom(t *testing.T, r *diskRig) {
	must(t, r.disks[1].Fill())
	for i := range 3 {
		r.within(15*time.Second, "a phone registers", func() error { return r.phones.Register(t.Context(), r.Star.Addr(1), i, time.Hour) })
	}
	r.holders(3*time.Second, 0, "2 2 2")
	r.holders(3*time.Second, 2, "2 2 2")
	must(t, r.disks[1].Free())
}

// Who leads and can write nothing any more gives way; nobody's process ends, phones go on registering, and it leads again when it can.
func agreementWithoutWriting(t *testing.T, r *diskRig) {
	before := r.status(1).Peers[0].Incarnation
	must(t, r.Nodes[0].Writes(false))
	begin := time.Now()
	must(t, r.Nodes[2].End(unix.SIGKILL)) // what its next process has must be agreed on
	must(t, r.Nodes[2].Start(t.Context()))
	r.within(20*time.Second, "tp1 cannot write its log", func() error {
		if st := r.status(0); !strings.Contains(st.Database, "cannot be written") {
			return errors.New(st.Database)
		}
		return nil
	})
	for _, i := range []int{1, 2} {
		r.agreed(20*time.Second, i)
	}
	t.Logf("others agree without the leader after %v", time.Since(begin).Round(time.Millisecond))
	r.told(20*time.Second, 0, 20026, unix.EFBIG)
	must(t, r.phones.RegisterMany(t.Context(), 400, 700, func(i int) netip.Addr { return r.Star.Addr(1 + i%2) }, time.Hour))
	must(t, r.Nodes[0].Writes(true))
	r.agreed(20*time.Second, 0)
	r.whole(20*time.Second, 0, 1, 2)
	r.quiet(20*time.Second, nil, 0, 1, 2)
	if now := r.status(1).Peers[0].Incarnation; now != before {
		t.Error("tp1 is another process")
	}
}

// A node does not start without room and says why; with room it is a member as before.
func startWithoutRoom(t *testing.T, r *diskRig) {
	must(t, r.Nodes[2].End(unix.SIGTERM))
	must(t, r.disks[2].Fill())
	must(t, r.Nodes[2].Launch())
	must(t, r.Nodes[2].Ended(10*time.Second))
	if said := r.Nodes[2].Tail(); !strings.Contains(said, unix.ENOSPC.Error()) {
		t.Errorf("it ends with %s", said)
	}
	must(t, r.disks[2].Free())
	must(t, r.Nodes[2].Start(t.Context()))
	r.whole(30*time.Second, 0, 1, 2)
	r.quiet(20*time.Second, nil, 0, 1, 2)
}

// A node that is let in and cannot write that it is, is no member until it can.
func joinWithoutWriting(t *testing.T, r *diskRig) {
	for i, n := range r.Nodes {
		must(t, n.Write(r.List(1, 0, 1, 2)+more+clusterlab.Takes))
		if i == 2 {
			must(t, n.Filter("input tcp dport 4371-4372 drop", "output tcp dport 4371-4372 drop"))
		}
		must(t, n.Start(t.Context()))
	}
	r.agreed(20*time.Second, 1)
	must(t, r.Nodes[2].Writes(false))
	must(t, r.Nodes[2].Filter())
	r.told(10*time.Second, 2, 20009, unix.EFBIG)
	r.peer(5*time.Second, 0, 2, "active", active)
	if st := r.status(0); st.Peers[2].Joined {
		t.Error("tp1 has a member that knows nothing of it")
	}
	must(t, r.Nodes[2].Writes(true))
	r.whole(30*time.Second, 0, 1, 2)
	for i := range r.Nodes {
		r.agreed(20*time.Second, i)
	}
	r.quiet(20*time.Second, nil, 0, 1, 2)
}

// told waits until an alarm of a node names what is wrong with its disk.
func (r *diskRig) told(d time.Duration, i, number int, why error) {
	r.t.Helper()
	r.within(d, fmt.Sprintf("tp%d tells of its disk", i+1), func() error {
		standing, err := r.Nodes[i].Standing(r.t.Context())
		if err == nil && !strings.Contains(standing[number], why.Error()) {
			err = fmt.Errorf("what stands: %v", standing)
		}
		return err
	})
}
