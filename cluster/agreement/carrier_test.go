package agreement_test

import "testing"

// CL-12: a peer that cannot be reached is waited for until it answers again, but only by who leads, and only while it is a member: nothing is left
// behind that waits for ever.
func TestWaitsForPeers(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(r *rig, leader, lost *peer){
		"it answers again": func(_ *rig, _, lost *peer) { lost.sever(false) },
		"it is removed": func(r *rig, leader, lost *peer) {
			if err := leader.Remove(lost.cfg.Self); err != nil {
				r.t.Fatal(err)
			}
		},
		"nobody leads": func(r *rig, _, _ *peer) { r.peers["b"].sever(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "a", "b", "c")
			leader, lost := r.waits()
			over(r, leader, lost)
			r.until("nobody waits", func() bool { return leader.Lulls() == 0 })
			if !lost.cut.Load() {
				r.until("it has what was agreed", func() bool { return amount(lost, "x") == 3 })
			}
		})
	}
	t.Run("the end", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, "a", "b", "c")
		r.waits() // and is closed so
	})
}

// waits has a leader wait for one of its two peers, while it goes on with the other.
func (r *rig) waits() (leader, lost *peer) {
	r.t.Helper()
	r.form(first, "a", "b", "c")
	leader, lost = r.peers["a"], r.peers["c"]
	lost.sever(true)
	r.until("it is waited for", func() bool { return leader.Lulls() == 1 })
	if err := leader.Propose(total("x", 3)); err != nil {
		r.t.Fatal(err)
	}
	r.until("the other goes on", func() bool { return amount(r.peers["b"], "x") == 3 })
	return leader, lost
}
