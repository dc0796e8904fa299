package clustertest

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/clustering"
)

// more is what node files say besides the cluster.
const more = "cluster_tls: permissive\nturn: {mode: off}\n"

// CL-02, CL-03, CL-04, CL-09, CL-12, CL-17, CL-18: four nodes that are one by their node
// files, and what may happen to them.
func TestFourPeers(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4, 0)
	r.part("Form", formByFiles)
	r.part("Change", changeOnThePrimary)
	r.part("Kill", killAPeer)
	r.part("Pause", pauseAPeer)
	r.part("CutOneWay", cutOneWay)
	r.part("Reset", resetConnections)
	r.part("Split", splitInHalves)
	r.part("PrimaryDies", primaryDies)
}

func formByFiles(t *testing.T, r *rig) {
	begin := time.Now()
	must(t, r.Form(t.Context(), more))
	t.Logf("four nodes were one after %v", time.Since(begin).Round(time.Millisecond))
	r.quiet(10*time.Second, nil, 0, 1, 2, 3)
	for i := range r.Nodes {
		r.agreed(20*time.Second, i)
	}
	// CL-17
	st := r.status(2)
	if st.Own != 3 || st.Primary != 1 || st.Acting != 1 || st.ClusterID == "" || st.Database != "Active" {
		t.Errorf("tp3 shows %+v", st)
	}
	for i, p := range st.Peers {
		if p.Own() {
			continue
		}
		if p.RTT < 80 || p.RTT > 160 { // CL-09
			t.Errorf("peer %d is %v ms away", i+1, p.RTT)
		}
		if p.Digest != st.Peers[0].Digest || p.Digest == "" || p.Version == "" {
			t.Errorf("tp3 shows of peer %d %+v", i+1, p)
		}
		r.peer(10*time.Second, 2, i, "all its rows are there", func(p clustering.Peer) bool { return p.Database == "Active" && p.LastSync != nil })
	}
}

func changeOnThePrimary(t *testing.T, r *rig) {
	r.run(0, "config", "set", "turn.realm", "shared.test")
	r.item(time.Second, "turn.realm", "shared.test", 1, 2, 3) // CL-03
	if why := r.refused(2, "config", "set", "turn.realm", "other.test"); !strings.Contains(why, r.Addresses(0)[0]) {
		t.Errorf("tp3 refuses a change with %q, which does not name the primary", why)
	}
	r.run(2, "config", "set", "log.level", "debug") // CL-04: its own
	r.run(0, "config", "set", "turn.realm", "again.test")
	r.item(time.Second, "turn.realm", "again.test", 1, 2, 3)
	r.item(0, "log.level", "debug", 2)
	if it, err := r.Nodes[1].API.ConfigItem(t.Context(), "log.level"); err != nil || it.Value == "debug" {
		t.Errorf("log.level of tp3 came to tp2: %+v, %v", it, err)
	}
}

func killAPeer(t *testing.T, r *rig) {
	must(t, r.Nodes[3].End(unix.SIGKILL))
	begin := time.Now()
	r.peer(6*time.Second, 0, 3, "failed", failed)
	t.Logf("a killed peer was noticed after %v", time.Since(begin).Round(time.Millisecond))
	r.stands(4*time.Second, 20004, 0, 1, 2)
	r.run(0, "config", "set", "turn.realm", "without4.test")
	must(t, r.Nodes[3].Start(t.Context()))
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.item(time.Second, "turn.realm", "without4.test", 3)
	r.quiet(10*time.Second, nil, 0, 1, 2, 3)
}

// SIGSTOP for less and for more than the lost time.
func pauseAPeer(t *testing.T, r *rig) {
	for _, d := range []time.Duration{3 * time.Second, 8 * time.Second} {
		must(t, r.Nodes[1].Signal(unix.SIGSTOP))
		pause(t, d)
		must(t, r.Nodes[1].Signal(unix.SIGCONT))
		r.whole(20*time.Second, 0, 1, 2, 3)
		r.quiet(10*time.Second, nil, 0, 1, 2, 3)
	}
}

// pause lets time pass in which something is broken: it is the length of that.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

// CL-18: a line that is broken in one direction is seen at both ends.
func cutOneWay(t *testing.T, r *rig) {
	r.Star.Switch.Cut(2, 3, true)
	r.peer(10*time.Second, 2, 3, "failed", failed)
	r.peer(10*time.Second, 3, 2, "failed", failed)
	r.peer(time.Second, 0, 3, "active", active)
	r.Star.Switch.Cut(2, 3, false)
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.quiet(10*time.Second, nil, 0, 1, 2, 3)
}

// A firewall that answers with resets.
func resetConnections(t *testing.T, r *rig) {
	must(t, r.Nodes[3].Filter("input ip protocol tcp ip saddr != 127.0.0.1 reject with tcp reset"))
	r.peer(10*time.Second, 0, 3, "failed", failed)
	r.peer(10*time.Second, 3, 0, "failed", failed)
	r.stands(12*time.Second, 20016, 3)
	must(t, r.Nodes[3].Filter())
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.quiet(10*time.Second, nil, 0, 1, 2, 3)
}

// CL-18: both sides go on, the primary's can be configured, and all is healed without
// anybody.
func splitInHalves(t *testing.T, r *rig) {
	r.Part(true, []int{0, 1}, []int{2, 3})
	r.peer(10*time.Second, 1, 2, "failed", failed)
	r.peer(10*time.Second, 2, 1, "failed", failed)
	r.run(0, "config", "set", "turn.realm", "half.test")
	r.item(time.Second, "turn.realm", "half.test", 1)
	if why := r.refused(3, "config", "set", "turn.realm", "other.test"); !strings.Contains(why, r.Addresses(0)[0]) {
		t.Errorf("a node without primary refuses a change with %q", why)
	}
	r.stands(10*time.Second, 20016, 2, 3)
	r.Part(false, []int{0, 1}, []int{2, 3})
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.item(time.Second, "turn.realm", "half.test", 2, 3)
	r.quiet(10*time.Second, nil, 0, 1, 2, 3)
}

// CL-12: the others work without the primary, another takes its place by hand, and the old
// one comes back as a subordinate.
func primaryDies(t *testing.T, r *rig) {
	must(t, r.Nodes[0].End(unix.SIGKILL))
	r.stands(12*time.Second, 20016, 1, 2, 3)
	for _, i := range []int{1, 2, 3} { // the new one first
		r.run(i, "cluster", "primary", "2")
	}
	r.within(10*time.Second, "tp2 takes a change", func() error {
		_, err := r.Nodes[1].Run("config", "set", "turn.realm", "second.test")
		return err
	})
	r.item(2*time.Second, "turn.realm", "second.test", 2, 3)
	r.quiet(15*time.Second, []int{20004}, 1, 2, 3)

	must(t, r.Nodes[0].Start(t.Context()))
	r.item(20*time.Second, "turn.realm", "second.test", 0) // it follows, though its settings name itself
	r.stands(10*time.Second, 20017, 0)
	r.run(0, "cluster", "primary", "2")
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.quiet(15*time.Second, nil, 0, 1, 2, 3)
	r.run(1, "config", "set", "turn.realm", "all.test")
	r.item(time.Second, "turn.realm", "all.test", 0, 2, 3)

	// and back, with both alive
	for _, i := range []int{0, 1, 2, 3} {
		r.run(i, "cluster", "primary", "1")
	}
	r.whole(30*time.Second, 0, 1, 2, 3)
	r.quiet(15*time.Second, nil, 0, 1, 2, 3)
	r.run(0, "config", "set", "turn.realm", "back.test")
	r.item(time.Second, "turn.realm", "back.test", 1, 2, 3)
}
