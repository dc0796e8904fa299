package clustertest

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
	"turnpike.dev/turnpike/perf/lab/wallclock"
)

// clockRig is three nodes of which two have wrong clocks, and a phone.
type clockRig struct {
	*rig
	clocks []*wallclock.Clock
	phones *clusterlab.Phones
}

// CL-03, CL-09, CL-12, RG-01: nothing that peers decide goes by their wall clocks, however far these are off and whichever way they jump.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	r := &clockRig{rig: newRig(t, 3, 1), clocks: make([]*wallclock.Clock, 3)}
	r.phones = r.newPhones()
	parts(
		r.rig, func(part *rig) *clockRig { return &clockRig{part, r.clocks, r.phones} },
		part[*clockRig]{"Form", formWithWrongClocks},
		part[*clockRig]{"Change", changeWithWrongClocks},
		part[*clockRig]{"Move", moveBetweenWrongClocks},
		part[*clockRig]{"Jump", clockJumps},
		part[*clockRig]{"Restart", restartWithAnotherClock},
	)
}

// formWithWrongClocks has the second three days ahead, and the third six hours behind.
func formWithWrongClocks(t *testing.T, r *clockRig) {
	for i, off := range []time.Duration{0, 72 * time.Hour, -6 * time.Hour} {
		must(t, r.Nodes[i].Write(r.List(1, 0, 1, 2)+more+clusterlab.Takes))
		var err error
		r.clocks[i], err = r.Nodes[i].StartOff(t.Context(), off)
		must(t, err)
		st, err := r.Nodes[i].API.Status(t.Context())
		must(t, err)
		if got := time.Until(st.Started); (got - off).Abs() > time.Minute {
			t.Fatalf("tp%d is %v off, and should be %v", i+1, got, off)
		}
	}
	r.whole(30*time.Second, 0, 1, 2)
	r.quiet(10*time.Second, nil, 0, 1, 2)
	r.agreed(20*time.Second, 2)
}

// A change is later than the one before because its author says so.
func changeWithWrongClocks(t *testing.T, r *clockRig) {
	r.run(0, "config", "set", "turn.realm", "first.test")
	r.item(time.Second, "turn.realm", "first.test", 1, 2)
	for turn, realm := range []string{"ahead.test", "behind.test", "again.test"} {
		primary := (turn + 1) % 3
		for _, i := range []int{primary, (primary + 1) % 3, (primary + 2) % 3} {
			r.run(i, "cluster", "primary", string('1'+rune(primary)))
		}
		r.within(10*time.Second, "the primary takes a change", func() error {
			_, err := r.Nodes[primary].Run("config", "set", "turn.realm", realm)
			return err
		})
		r.item(2*time.Second, "turn.realm", realm, 0, 1, 2)
		r.whole(20*time.Second, 0, 1, 2)
		r.quiet(15*time.Second, nil, 0, 1, 2)
	}
}

// A phone is where it registered last, and nowhere when it has left.
func moveBetweenWrongClocks(t *testing.T, r *clockRig) {
	for turn, at := range []int{1, 2, 0, 2, 1, 0} {
		r.within(15*time.Second, "a phone registers", func() error {
			return r.phones.Register(t.Context(), r.Star.Addr(at), 0, time.Hour)
		})
		for i := range 3 {
			r.holders(2*time.Second, i, string('1'+rune(at)))
		}
		if turn == 2 {
			must(t, r.phones.Register(t.Context(), r.Star.Addr(at), 0, 0))
			for i := range 3 {
				r.holders(2*time.Second, i, "")
			}
		}
	}
}

// Clocks are set while the nodes run: nobody is lost, nothing lapses.
func clockJumps(t *testing.T, r *clockRig) {
	before := r.status(1)
	for turn, off := range []time.Duration{-24 * time.Hour, 30 * 24 * time.Hour} {
		for i, c := range r.clocks {
			must(t, c.Set(off*time.Duration(1-2*(i%2)))) // and the second the other way
		}
		pause(t, 6*time.Second) // longer than the lost time
		r.whole(2*time.Second, 0, 1, 2)
		r.quiet(time.Second, nil, 0, 1, 2)
		for i := range 3 {
			must(t, r.phones.Register(t.Context(), r.Star.Addr(i), 10*turn+i+1, time.Hour))
		}
		r.run(0, "config", "set", "turn.realm", "jump"+string('1'+rune(turn))+".test")
		r.item(time.Second, "turn.realm", "jump"+string('1'+rune(turn))+".test", 1, 2)
	}
	for i, p := range r.status(1).Peers {
		if p.Incarnation != before.Peers[i].Incarnation || !p.Active() && !p.Own() {
			t.Errorf("tp%d is another one, or was lost: %+v", i+1, p)
		}
	}
}

// The one that was days ahead comes back with the right time, and counts as later than before.
func restartWithAnotherClock(t *testing.T, r *clockRig) {
	must(t, r.clocks[1].Set(72*time.Hour))
	must(t, r.phones.Register(t.Context(), r.Star.Addr(1), 50, time.Hour))
	must(t, r.Nodes[1].End(unix.SIGKILL))
	must(t, r.Nodes[1].Start(t.Context()))
	r.whole(30*time.Second, 0, 1, 2)
	r.quiet(15*time.Second, nil, 0, 1, 2)
	must(t, r.phones.Register(t.Context(), r.Star.Addr(2), 50, time.Hour))
	for i := range 3 {
		r.within(5*time.Second, "the phone is where it went", func() error { return r.heldBy(i, 50, 3) })
	}
	must(t, r.phones.Register(t.Context(), r.Star.Addr(1), 50, time.Hour))
	for i := range 3 {
		r.within(5*time.Second, "the phone is back", func() error { return r.heldBy(i, 50, 2) })
	}
}

// heldBy says where else than at a peer a node finds a phone.
func (r *clockRig) heldBy(i, phone, peer int) error {
	list, err := r.Nodes[i].API.ClusterRegistrations(r.t.Context(), clusterlab.Name(phone))
	if err == nil && (len(list) != 1 || int(list[0].Peer) != peer) {
		err = fmt.Errorf("it is at %+v", list)
	}
	return err
}
