package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// LI-06: a side without a leader shares out by itself what is of policy available, and only that. When
// there is a leader again all come down to what they use, and no call ends.
func TestAside(t *testing.T) {
	r := newRig(t, ledger.Available)
	r.step("b", ledger.Here{Peers: []cluster.ID{"a", "b"}})
	r.step("b", ledger.Short{Resource: pool, N: 4})
	r.pass(time.Second)
	r.has(0, 4)
	r.use["b"] = 2
	r.away["b"] = true
	r.step("b", ledger.Here{Peers: []cluster.ID{"b"}})
	r.pass(4 * time.Second)
	if _, aside := r.cores["b"].Aside(); aside {
		t.Error("b counts for itself before its lease is over")
	}
	r.pass(3 * time.Second)
	if _, aside := r.cores["b"].Aside(); !aside || r.lease["b"] < r.now {
		t.Errorf("aside: %t, a lease until %s at %s", aside, r.lease["b"], r.now)
	}
	r.step("b", ledger.Short{Resource: pool, N: 8})
	r.step("a", ledger.Short{Resource: pool, N: 7})
	r.pass(3 * time.Second)
	r.has(7, 10)
	r.use["a"], r.use["b"] = 7, 9
	r.away["b"] = false
	r.step("b", ledger.Here{Peers: []cluster.ID{"a", "b"}})
	r.pass(2 * time.Second)
	r.has(7, 9)
	if _, aside := r.cores["b"].Aside(); aside {
		t.Error("b goes on counting for itself")
	}
	r.step("a", ledger.Short{Resource: pool, N: 1})
	r.pass(3 * time.Second)
	r.has(7, 9)
}

// Nothing of policy strict grows where nobody leads.
func TestStrictIsNotCountedAside(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("b", ledger.Short{Resource: pool, N: 4})
	r.pass(time.Second)
	r.away["b"] = true
	r.step("b", ledger.Here{Peers: []cluster.ID{"b"}})
	r.pass(7 * time.Second)
	r.step("b", ledger.Short{Resource: pool, N: 4})
	r.pass(3 * time.Second)
	r.has(0, 4)
}

// Who leads a provisional ledger confirms nobody while one that is there counts elsewhere: that one
// may still hear the leader.
func TestAsideWaitsForAll(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "a", Incarnation: 1}, ledger.NewTable())
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	c.Step(0, ledger.Here{Peers: []cluster.ID{"a", "b"}})
	confirms := func(now time.Duration, b ledger.Beat) bool {
		for _, a := range c.Step(now, ledger.Received{From: "b", Message: b}) {
			if s, ok := a.(ledger.Send); ok {
				if _, ok := s.Message.(ledger.Lead); ok {
					return true
				}
			}
		}
		return false
	}
	c.Step(6*time.Second, ledger.Tick{})
	h, aside := c.Aside()
	if !aside {
		t.Fatal("it does not call")
	}
	if confirms(6*time.Second, ledger.Beat{Incarnation: 1, Seq: 1}) {
		t.Error("it confirms one that does not count with it")
	}
	if !confirms(7*time.Second, ledger.Beat{Incarnation: 1, Seq: 2, Under: h}) {
		t.Error("it does not confirm one that does")
	}
}

// A provisional ledger takes what peers use whatever its configuration has, but no peer can make it grow without end.
func TestAsideTakesNoEndOfNames(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "a", Incarnation: 1}, ledger.NewTable())
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	c.Step(0, ledger.Here{Peers: []cluster.ID{"a", "b"}})
	c.Step(6*time.Second, ledger.Tick{})
	h, _ := c.Aside()
	for seq := range uint64(40) {
		b := ledger.Beat{Incarnation: 1, Seq: seq + 1, Under: h}
		for i := range ledger.MaxWants {
			n := seq*ledger.MaxWants + uint64(i) + 1
			b.Wants = append(b.Wants, ledger.Want{Resource: ledger.Resource(fmt.Sprint("pipe ", n)), Number: n, Amount: 1, Held: true, Leased: true})
		}
		c.Step(6*time.Second, ledger.Received{From: "b", Message: b})
	}
	if n := len(c.Provisional().Grants["b"]); n != 4096 {
		t.Errorf("%d names are taken", n)
	}
}

// Another history begins: what is in use is told there, by numbers that it has not had.
func TestAnew(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("b", ledger.Short{Resource: pool, N: 6})
	r.pass(time.Second)
	r.use["b"] = 4
	for _, id := range []cluster.ID{"a", "b"} {
		table := ledger.NewTable()
		for _, e := range r.log {
			table.Apply(e.Entry)
		}
		r.step(id, ledger.Anew{Cluster: "another", Table: table})
	}
	r.pass(time.Second)
	r.has(0, 4)
	r.step("b", ledger.Short{Resource: pool, N: 2})
	r.step("a", ledger.Short{Resource: pool, N: 3})
	r.pass(time.Second)
	r.has(3, 6)
}

// CL-18, LI-06: what is said under an old cluster id has no effect, whoever says it; under the new one it has.
func TestOldClusterIDIsNotListenedTo(t *testing.T) {
	for name, tc := range map[string]struct {
		to      cluster.ID
		message func(id string, seq uint64) any
		effect  func(ledger.Action) bool
	}{
		"a beat": {"a", func(id string, seq uint64) any {
			return ledger.Beat{Cluster: id, Incarnation: 1, Seq: seq, Wants: []ledger.Want{{Resource: pool, Number: 99, Amount: 5}}}
		}, func(a ledger.Action) bool { _, proposes := a.(ledger.Propose); return proposes }},
		"a lead": {"b", func(id string, seq uint64) any {
			return ledger.Lead{Cluster: id, Term: 99, Incarnation: 1, Echo: seq}
		}, func(a ledger.Action) bool { _, leases := a.(ledger.Lease); return leases }},
		"a recall": {"b", func(id string, _ uint64) any {
			return ledger.Recall{Cluster: id, Term: 99, Number: 1, Of: map[ledger.Resource]uint32{pool: 0}}
		}, func(a ledger.Action) bool { _, lowers := a.(ledger.Lower); return lowers }},
	} {
		for id, want := range map[string]bool{"": false, "another": true} {
			t.Run(fmt.Sprintf("%s/%q", name, id), func(t *testing.T) {
				r := newRig(t, ledger.Available)
				for _, id := range []cluster.ID{"a", "b"} {
					table := ledger.NewTable()
					for _, e := range r.log {
						table.Apply(e.Entry)
					}
					r.step(id, ledger.Anew{Cluster: "another", Table: table})
				}
				r.pass(time.Second)
				r.step("b", ledger.Short{Resource: pool, N: 4})
				r.pass(time.Second)
				r.now += time.Second
				var seq uint64
				for _, a := range r.cores["b"].Step(r.now, ledger.Tick{}) {
					if s, ok := a.(ledger.Send); ok && s.To == "a" {
						seq = s.Message.(ledger.Beat).Seq
					}
				}
				r.cores["a"].Step(r.now, ledger.Leads{Term: 1, At: r.now})
				from := map[cluster.ID]cluster.ID{"a": "b", "b": "a"}[tc.to]
				done := r.cores[tc.to].Step(r.now, ledger.Received{From: from, Message: tc.message(id, seq)})
				if got := slices.ContainsFunc(done, tc.effect); got != want || seq == 0 {
					t.Errorf("it has an effect: %t; %+v", got, done)
				}
			})
		}
	}
}

// CL-13: what somebody has who was taken off the list is free, also of policy strict.
func TestRemovedPeer(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("b", ledger.Short{Resource: pool, N: 8})
	r.pass(time.Second)
	r.away["b"] = true
	r.pass(10 * time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 10})
	r.pass(3 * time.Second)
	r.has(2, 8)
	r.step("a", ledger.Members{Peers: []cluster.ID{"a"}})
	r.pass(time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 8})
	r.pass(time.Second)
	r.has(10, 8)
}
