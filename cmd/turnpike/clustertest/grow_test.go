package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/clustering"
)

// CL-02, CL-13, CL-14, CL-15: a cluster of one grows by one peer at a time, and shrinks
// again: as the sources' procedures say.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 0)
	for _, n := range r.Nodes {
		must(t, n.Write("turn: {mode: off}\n"))
		must(t, n.Start(t.Context()))
	}
	r.part("FormAClusterOfOne", clusterOfOne)
	r.part("AddAPeer", addAPeer)
	r.part("AddAnother", addAnother)
	r.part("ForceAnUpdate", forceAnUpdate)
	r.part("RestartAll", restartAll)
	r.part("RemoveADeadPeer", removeADeadPeer)
	r.part("RemoveALivePeer", removeALivePeer)
}

func clusterOfOne(t *testing.T, r *rig) {
	r.run(0, "config", "set", "sip.registration_time", "111")
	r.run(0, "cluster", "join", "--name", "cluster1.example.test", "--peer", r.Addresses(0)[0], "--confirm", "tp1")
	r.stands(2*time.Second, 20007, 0)
	must(t, r.Nodes[0].Restart(t.Context()))
	r.whole(15*time.Second, 0)
	r.agreed(15*time.Second, 0)
	r.quiet(10*time.Second, nil, 0)
	st := r.status(0)
	if st.Acting != 1 || st.Own != 1 || st.ClusterID == "" {
		t.Errorf("a cluster of one is %+v", st)
	}
	r.item(0, "sip.registration_time", "111", 0)
}

// addAPeer: on the primary, then on the new peer, which has a configuration of its own.
func addAPeer(t *testing.T, r *rig) {
	r.run(1, "config", "set", "sip.registration_time", "222")
	r.run(0, "cluster", "peer", "add", r.Addresses(1)[0])
	r.peer(3*time.Second, 0, 1, "not active", func(p clustering.Peer) bool { return !p.Active() })
	r.joins(1, 0, 1)
	r.whole(40*time.Second, 0, 1)
	r.item(5*time.Second, "sip.registration_time", "111", 1)
	r.quiet(15*time.Second, nil, 0, 1)
}

func addAnother(t *testing.T, r *rig) {
	for _, i := range []int{0, 1} { // the primary first
		r.run(i, "cluster", "peer", "add", r.Addresses(2)[0])
	}
	r.joins(2, 0, 1, 2)
	r.whole(40*time.Second, 0, 1, 2)
	r.item(5*time.Second, "sip.registration_time", "111", 2)
	r.quiet(15*time.Second, nil, 0, 1, 2)
	r.run(0, "config", "set", "sip.registration_time", "333")
	r.item(time.Second, "sip.registration_time", "333", 1, 2)
}

// joins gives a node its place, reset, and restarts it.
func (r *rig) joins(i int, all ...int) {
	r.t.Helper()
	password := filepath.Join(filepath.Dir(r.Nodes[i].State), "password")
	must(r.t, os.WriteFile(password, []byte("a long password of nobody\n"), 0o600))
	args := []string{
		"cluster", "join", "--name", "cluster1.example.test", "--primary", "1", "--confirm", r.Nodes[i].Name,
		"--reset", "--backup", r.Nodes[i].State + ".backup", "--password-file", password, "--restart",
	}
	for _, a := range r.Addresses(all...) {
		args = append(args, "--peer", a)
	}
	r.run(i, args...)
	if _, err := os.Stat(r.Nodes[i].State + ".backup"); err != nil {
		r.t.Error(err)
	}
}

// CL-19, CL-20: nothing keeps the peers apart, and a change that is just made does not keep all from being restarted,
// the primary first.
func restartAll(t *testing.T, r *rig) {
	if out, _ := r.Nodes[1].Run("cluster", "check"); strings.Contains(out, "blocks") {
		t.Errorf("members are kept from joining: %s", out)
	}
	before := r.status(1)
	r.run(0, "config", "set", "sip.registration_time", "334")
	r.run(1, "cluster", "restart")
	r.whole(15*time.Second, 0, 1, 2)
	for i, p := range r.status(1).Peers {
		if p.Incarnation <= before.Peers[i].Incarnation {
			t.Errorf("%s was not restarted", p.Address)
		}
	}
	r.quiet(10*time.Second, nil, 0, 1, 2)
}

// CL-15: refused on the primary.
func forceAnUpdate(t *testing.T, r *rig) {
	if out, err := r.Nodes[0].Run("xcommand", "ForceConfigUpdate"); err == nil {
		t.Errorf("the primary forced an update of itself: %s", out)
	}
	r.run(1, "xcommand", "ForceConfigUpdate")
	r.whole(15*time.Second, 0, 1, 2)
	r.item(5*time.Second, "sip.registration_time", "333", 1)
	r.quiet(10*time.Second, nil, 0, 1, 2)
}

func removeADeadPeer(t *testing.T, r *rig) {
	must(t, r.Nodes[1].End(unix.SIGKILL))
	r.peer(8*time.Second, 0, 1, "failed", failed)
	for _, i := range []int{0, 2} {
		r.run(i, "cluster", "peer", "remove", r.Addresses(1)[0])
	}
	r.whole(20*time.Second, 0, 2)
	r.agreed(20*time.Second, 0)
	r.quiet(15*time.Second, nil, 0, 2)
	r.run(0, "config", "set", "sip.registration_time", "444")
	r.item(time.Second, "sip.registration_time", "444", 2)

	// It comes back with what it knew: nobody takes it for a member.
	must(t, r.Nodes[1].Start(t.Context()))
	pause(t, 3*time.Second)
	r.whole(5*time.Second, 0, 2)
	if it, err := r.Nodes[1].API.ConfigItem(t.Context(), "sip.registration_time"); err != nil || it.Value == "444" {
		t.Errorf("a removed peer was sent the configuration: %+v, %v", it, err)
	}
	must(t, r.Nodes[1].End(unix.SIGTERM))
}

// CL-14: clearing the list arms a reset, which the same list disarms; the restart carries it out.
func removeALivePeer(t *testing.T, r *rig) {
	r.run(2, "cluster", "leave", "--confirm", "tp3")
	r.within(5*time.Second, "the reset is armed", func() error {
		if st := r.status(2); !st.ResetArmed {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	r.run(2, "cluster", "join", "--name", "cluster1.example.test", "--primary", "1", "--peer", r.Addresses(0)[0], "--peer", r.Addresses(2)[0], "--confirm", "tp3")
	if st := r.status(2); st.ResetArmed {
		t.Errorf("the same list leaves the reset armed: %+v", st)
	}
	r.run(2, "cluster", "leave", "--confirm", "tp3", "--restart")
	r.within(20*time.Second, "tp3 stands alone, reset", func() error { return r.alone(2) })
	r.run(0, "cluster", "peer", "remove", r.Addresses(2)[0])
	r.whole(20*time.Second, 0)
	r.agreed(20*time.Second, 0)
	r.quiet(15*time.Second, nil, 0)
	r.run(0, "config", "set", "sip.registration_time", "555")
	if log := r.Nodes[0].Log(); !strings.Contains(log, "Cluster") {
		t.Error("the event log tells nothing of the cluster")
	}
}
