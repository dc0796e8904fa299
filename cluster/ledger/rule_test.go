package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// offer changes what there is by the configuration of both.
func (r *rig) offer(t ledger.Total) {
	for _, id := range []cluster.ID{"a", "b"} {
		r.step(id, ledger.Totals{Of: map[ledger.Resource]ledger.Total{pool: t}})
	}
}

// LI-06: a policy that changes while a peer is not there changes nothing for what that one has: it is freed by the rule by which it uses it.
func TestPolicyOfTheAbsent(t *testing.T) {
	for name, tc := range map[string]struct {
		before ledger.Policy
		a      uint32 // what the other one gets
	}{
		"strict when it was cut off": {ledger.Strict, 4},
		"available":                  {ledger.Available, 10},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tc.before)
			r.step("b", ledger.Short{Resource: pool, N: 6})
			r.pass(2 * time.Second)
			r.use["b"] = 6
			r.away["b"] = true
			r.offer(ledger.Total{Amount: 10, Policy: 1 - tc.before})
			r.pass(10 * time.Second)
			r.step("a", ledger.Short{Resource: pool, N: 10})
			r.pass(3 * time.Second)
			r.has(tc.a, 6)
			r.use["a"] = tc.a
			r.away["b"] = false
			r.pass(3 * time.Second)
			r.has(tc.a, 6) // and no call ends
			if want := tc.before == ledger.Strict; r.leased["b"] != want {
				t.Errorf("b looks at its lease: %t, want %t", r.leased["b"], want)
			}
		})
	}
}

// BW-05: what a lost peer's media may use stays its own for longer than its lease.
func TestHeldForMedia(t *testing.T) {
	r := newRig(t, ledger.Available)
	r.offer(ledger.Total{Amount: 10, Policy: ledger.Available, Hold: 20 * time.Second})
	r.pass(time.Second)
	r.step("b", ledger.Short{Resource: pool, N: 6})
	r.pass(time.Second)
	r.away["b"] = true
	r.pass(20 * time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 10})
	r.pass(3 * time.Second)
	r.has(4, 6)
	r.pass(4 * time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 6})
	r.pass(time.Second)
	r.has(10, 6)
}

// BW-05: so it does on a side without a leader, by what was agreed.
func TestHeldForMediaAside(t *testing.T) {
	r := newRig(t, ledger.Available)
	r.offer(ledger.Total{Amount: 10, Policy: ledger.Available, Hold: 20 * time.Second})
	r.pass(time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 6})
	r.pass(time.Second)
	r.use["a"] = 6
	r.away["b"] = true
	r.step("b", ledger.Here{Peers: []cluster.ID{"b"}})
	r.pass(8 * time.Second)
	r.step("b", ledger.Short{Resource: pool, N: 10})
	r.pass(3 * time.Second)
	r.has(6, 4)
	r.pass(22 * time.Second)
	r.step("b", ledger.Short{Resource: pool, N: 6})
	r.pass(time.Second)
	r.has(6, 10)
}

// What was in use before it was limited is told; what nobody uses is not spoken of; what has no total any more is forgotten.
func TestLimitedLater(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.offer(ledger.Total{Amount: 10, Policy: ledger.Strict})
	const later = ledger.Resource("pipe")
	r.use["b"] = 3 // of whatever is asked
	for _, id := range []cluster.ID{"a", "b"} {
		r.step(id, ledger.Totals{Of: map[ledger.Resource]ledger.Total{later: {Amount: 5}}})
	}
	r.pass(time.Second)
	table := r.cores["a"].Table()
	if g := table.Of("b")[later]; g.Amount != 3 {
		t.Errorf("b has %+v", g)
	}
	if g, known := table.Of("a")[later]; known {
		t.Errorf("a uses nothing of it and has %+v", g)
	}
	r.step("b", ledger.Short{Resource: "misspelt", N: 1})
	r.use["b"] = 0
	r.pass(15 * time.Second)
	if _, known := table.Totals[pool]; known {
		t.Error("the table keeps a total that the configuration has not")
	}
	if of := table.Of("b"); len(of) != 1 || of[later].Amount != 3 {
		t.Errorf("b has %v", of)
	}
}

// What peers say at once is bounded, and all is said.
func TestBounds(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "b", Incarnation: 1}, ledger.NewTable())
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	said, totals := map[ledger.Resource]bool{}, map[ledger.Resource]ledger.Total{}
	for i := range 2002 {
		totals[ledger.Resource(fmt.Sprint("pipe ", i))] = ledger.Total{Amount: 10}
	}
	c.Step(0, ledger.Totals{Of: totals})
	for i := range 2002 {
		c.Step(0, ledger.Short{Resource: ledger.Resource(fmt.Sprint("pipe ", i)), N: 1})
		c.Step(0, ledger.Lowered{Resource: ledger.Resource(fmt.Sprint("pipe ", i))})
	}
	for now := time.Duration(0); now < time.Second; now += 25 * time.Millisecond {
		beats := 0
		for _, a := range c.Step(now, ledger.Tick{}) {
			s, ok := a.(ledger.Send)
			if b, beat := s.Message.(ledger.Beat); ok && beat && s.To == "a" {
				beats++
				if len(b.Wants) > ledger.MaxWants {
					t.Fatalf("%d requests in one beat", len(b.Wants))
				}
				for _, w := range b.Wants {
					said[w.Resource] = true
				}
			}
		}
		if beats > 1 {
			t.Fatalf("%d beats at once", beats)
		}
	}
	if len(said) != 2002 {
		t.Errorf("%d of 2002 requests were said", len(said))
	}
}

// Who waits for what is known to all, until it is answered.
func TestWaiting(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("a", ledger.Short{Resource: pool, N: 10})
	r.pass(time.Second)
	r.use["a"], r.mute["a"] = 10, true
	r.step("b", ledger.Short{Resource: pool, N: 2})
	r.pass(700 * time.Millisecond)
	for _, id := range []cluster.ID{"a", "b"} {
		got := r.cores[id].Waiting(r.now)
		if len(got) != 1 || got[0].Peer != "b" || got[0].Amount != 2 || got[0].Resource != pool {
			t.Errorf("%s knows of %v", id, got)
		}
	}
	r.pass(5 * time.Second)
	if got := r.cores["a"].Waiting(r.now); len(got) > 0 {
		t.Errorf("after it was answered: %v", got)
	}
}
