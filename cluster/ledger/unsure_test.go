package ledger_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// LI-06: a leader that was not sure to lead for a moment still confirms nobody whose
// freeing it has proposed: the proposal may yet be agreed.
func TestUnsureLeaderRemembersWhomItFrees(t *testing.T) {
	table := ledger.NewTable()
	table.Apply(total(10, ledger.Available))
	table.Apply(want("b", 1, 1, 10, false))
	c := ledger.New(ledger.Config{Self: "a", Incarnation: 1}, table)
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	now, freed := time.Duration(0), false
	for ; !freed && now < time.Minute; now += 100 * time.Millisecond {
		c.Step(now, ledger.Leads{Term: 1, At: now})
		for _, a := range c.Step(now, ledger.Tick{}) {
			p, is := a.(ledger.Propose)
			freed = freed || is && p.Entry.Free
		}
	}
	if !freed {
		t.Fatal("the silent peer is not freed")
	}
	now += 1500 * time.Millisecond
	c.Step(now, ledger.Leads{Term: 1, At: now})
	for _, a := range c.Step(now, ledger.Received{From: "b", Message: ledger.Beat{Incarnation: 1, Seq: 99}}) {
		if s, is := a.(ledger.Send); is {
			if _, confirms := s.Message.(ledger.Lead); confirms {
				t.Errorf("confirmed while its freeing is under way: %+v", s)
			}
		}
	}
}

// What was wanted while a ceiling was being lowered is asked for when there is nothing to
// lower.
func TestWantedWhileLowering(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "a", Incarnation: 1}, ledger.NewTable())
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a"}})
	c.Step(0, ledger.Applied{Entry: total(10, ledger.Available)})
	c.Step(0, ledger.Totals{Of: map[ledger.Resource]ledger.Total{pool: {Amount: 10, Policy: ledger.Available}}})
	c.Step(0, ledger.Applied{Entry: want("a", 1, 1, 0, true)})
	c.Step(0, ledger.Short{Resource: pool, N: 3})
	c.Step(0, ledger.Applied{Entry: want("a", 1, 2, 3, false)})
	c.Step(1, ledger.Received{From: "a", Message: ledger.Recall{Term: 9, Of: map[ledger.Resource]uint32{pool: 0}}})
	c.Step(1, ledger.Short{Resource: pool, N: 2})
	c.Step(1, ledger.Lowered{Resource: pool, To: 3})
	for i := range 20 {
		for _, a := range c.Step(time.Duration(i)*time.Second, ledger.Tick{}) {
			if s, is := a.(ledger.Send); is {
				if b, beats := s.Message.(ledger.Beat); beats && len(b.Wants) > 0 {
					return
				}
			}
		}
	}
	t.Error("it is never asked for")
}
