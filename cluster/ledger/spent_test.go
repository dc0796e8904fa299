package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// BW-05: a request for more than there is is answered as soon as all others have said that they have no more; where one
// is heard and does not answer, after three seconds.
func TestNoIsSaidAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		mute bool
		use  uint32 // of what the other has
		a, b uint32
		took [2]time.Duration
	}{
		"all is in use":        {false, 10, 10, 0, [2]time.Duration{0, 300 * time.Millisecond}},
		"some is in use":       {false, 7, 7, 3, [2]time.Duration{0, 300 * time.Millisecond}},
		"one does not answer":  {true, 7, 10, 0, [2]time.Duration{3 * time.Second, 3600 * time.Millisecond}},
		"nothing of it is his": {false, 0, 0, 10, [2]time.Duration{0, 300 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, ledger.Strict)
			r.step("a", ledger.Short{Resource: pool, N: 10})
			r.pass(time.Second)
			r.use["a"], r.mute["a"] = tc.use, tc.mute
			began := r.now
			r.step("b", ledger.Short{Resource: pool, N: 11})
			r.pass(5 * time.Second)
			r.has(tc.a, tc.b)
			if took := r.no - began; r.denied != 1 || took < tc.took[0] || took > tc.took[1] {
				t.Errorf("denied %d times, after %s", r.denied, took)
			}
		})
	}
}

// leader is a core that leads, and what it has the others told; each step is agreed at once.
type leader struct {
	*ledger.Core
	now      time.Duration
	seq      uint64
	recalled uint64 // the number of the last recall
	of       map[ledger.Resource]uint32
}

// newLeader leads three of which b has 6 and c 4, of 10.
func newLeader() *leader {
	l := &leader{Core: ledger.New(ledger.Config{Self: "a", Incarnation: 1}, ledger.NewTable())}
	l.step(ledger.Members{Peers: []cluster.ID{"a", "b", "c"}})
	l.step(ledger.Totals{Of: map[ledger.Resource]ledger.Total{pool: {Amount: 10, Policy: ledger.Strict}}})
	l.step(ledger.Leads{Term: 1})
	l.step(ledger.Tick{})
	l.beat("b", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 1, Amount: 6}}})
	l.beat("c", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 1, Amount: 4}}})
	return l
}

func (l *leader) step(e ledger.Event) {
	l.of = nil
	for _, a := range l.Step(l.now, e) {
		switch a := a.(type) {
		case ledger.Propose:
			l.step(ledger.Applied(a))
		case ledger.Send:
			if m, ok := a.Message.(ledger.Recall); ok && a.To == "b" {
				l.recalled, l.of = m.Number, m.Of
			}
		}
	}
}

func (l *leader) beat(from cluster.ID, b ledger.Beat) {
	l.seq++
	b.Incarnation, b.Seq, b.Term = 1, l.seq, max(b.Term, 1)
	l.step(ledger.Received{From: from, Message: b})
}

func (l *leader) spent(from cluster.ID, recall uint64, ceiling uint32) {
	l.beat(from, ledger.Beat{Spent: []ledger.Spent{{Resource: pool, Recall: recall, Ceiling: ceiling}}})
}

// Only what was said after a request began to wait counts for it, by whom and of what it was said.
func TestWhatCountsAsAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		spent    ledger.Spent
		number   int // to be added to that of the recall
		term     uint64
		under    ledger.History
		answered bool
	}{
		"spent":                    {spent: ledger.Spent{Resource: pool, Ceiling: 6}, answered: true},
		"of a recall before":       {spent: ledger.Spent{Resource: pool, Ceiling: 6}, number: -1},
		"before it got some":       {spent: ledger.Spent{Resource: pool, Ceiling: 5}},
		"of something else":        {spent: ledger.Spent{Resource: "room", Ceiling: 6}},
		"for another leader":       {spent: ledger.Spent{Resource: pool, Ceiling: 6}, term: 2},
		"for a provisional ledger": {spent: ledger.Spent{Resource: pool, Ceiling: 6}, under: ledger.History{Leader: "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeader()
			l.beat("c", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 2, Amount: 5}}})
			if diff := cmp.Diff(map[ledger.Resource]uint32{pool: 5}, l.of); diff != "" {
				t.Fatal(diff)
			}
			tc.spent.Recall = uint64(int(l.recalled) + tc.number)
			l.beat("b", ledger.Beat{Spent: []ledger.Spent{tc.spent}, Term: tc.term, Under: tc.under})
			if got := l.Table().Of("c")[pool].Number == 2; got != tc.answered {
				t.Errorf("answered: %t", got)
			}
			if waited := l.waits("c", ledger.Want{Resource: pool, Number: 2, Amount: 5}, "b"); tc.answered != (waited == 0) {
				t.Errorf("answered after %s", waited)
			}
		})
	}
}

// waits has a peer want something until it is answered, while others are heard.
func (l *leader) waits(from cluster.ID, w ledger.Want, others ...cluster.ID) time.Duration {
	began := l.now
	for l.Table().Of(from)[w.Resource].Number < w.Number && l.now-began < 10*time.Second {
		l.now += 100 * time.Millisecond
		l.step(ledger.Leads{Term: 1, At: l.now})
		for _, id := range others {
			l.beat(id, ledger.Beat{})
		}
		l.beat(from, ledger.Beat{Wants: []ledger.Want{w}})
	}
	return l.now - began
}

// BW-05: who has some and is heard is waited for longer than who is not heard; what there is is given meanwhile, and more
// of it may come.
func TestHowLongOthersAreWaitedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		wants  uint32
		others []cluster.ID
		waits  time.Duration
		grant  ledger.Grant
	}{
		"heard":                {6, []cluster.ID{"b", "c"}, 3 * time.Second, ledger.Grant{Amount: 0}},
		"not heard":            {6, nil, time.Second, ledger.Grant{Amount: 0}},
		"one of two":           {6, []cluster.ID{"b"}, 3 * time.Second, ledger.Grant{Amount: 0}},
		"heard, and some left": {6, []cluster.ID{"b", "c"}, time.Second, ledger.Grant{Amount: 2, More: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeader()
			if tc.grant.Amount > 0 {
				l.beat("b", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 2, Amount: 4}}})
			}
			waited := l.waits("a", ledger.Want{Resource: pool, Number: 1, Amount: tc.wants}, tc.others...)
			if waited < tc.waits || waited > tc.waits+200*time.Millisecond {
				t.Errorf("answered after %s", waited)
			}
			tc.grant.Incarnation, tc.grant.Number = 1, 1
			if diff := cmp.Diff(tc.grant, l.Table().Of("a")[pool]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A request that comes later is answered by what is said later; what was said of the one before does not count.
func TestAnswersAreNotKept(t *testing.T) {
	l := newLeader()
	ask := func(number uint64) bool {
		l.beat("c", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: number, Amount: 5}}})
		return l.Table().Of("c")[pool].Number == number
	}
	for number := range uint64(3) {
		if ask(number + 2) {
			t.Fatalf("request %d is answered before anybody was asked", number)
		}
		l.spent("b", l.recalled, 6)
		if !ask(number + 2) {
			t.Fatalf("request %d is not answered", number)
		}
	}
}

// Who has given all that it was asked for is asked again at once when another was faster to take it.
func TestAskedAgain(t *testing.T) {
	l := newLeader()
	l.beat("c", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 2, Amount: 6}}})
	l.step(ledger.Totals{Of: map[ledger.Resource]ledger.Total{pool: {Amount: 8, Policy: ledger.Strict}}})
	l.step(ledger.Tick{})
	l.beat("b", ledger.Beat{Wants: []ledger.Want{{Resource: pool, Number: 2, Amount: 4}}})
	if diff := cmp.Diff(map[ledger.Resource]uint32{pool: 2}, l.of); diff != "" {
		t.Error(diff)
	}
}

// What a peer says of recalls is bounded, said at once, and not again before it is asked again.
func TestAnswersAreBounded(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "b", Incarnation: 1}, ledger.NewTable())
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	said := map[ledger.Resource]int{}
	most := 0
	of := map[ledger.Resource]uint32{}
	var step func(now time.Duration, e ledger.Event)
	step = func(now time.Duration, e ledger.Event) {
		for _, a := range c.Step(now, e) {
			switch a := a.(type) {
			case ledger.Lower:
				step(now, ledger.Lowered{Resource: a.Resource, To: 5})
			case ledger.Send:
				if b, ok := a.Message.(ledger.Beat); ok && a.To == "a" {
					most = max(most, len(b.Spent))
					for _, s := range b.Spent {
						said[s.Resource]++
					}
					for _, w := range b.Wants {
						step(now, ledger.Applied{Entry: ledger.Entry{Peer: "b", Incarnation: 1, Want: &w}})
					}
				}
			}
		}
	}
	for i := range 2 * ledger.MaxWants {
		r := ledger.Resource(fmt.Sprint("pipe ", i))
		of[r] = 2
		step(0, ledger.Applied{Entry: ledger.Entry{Resource: r, Total: &ledger.Total{Amount: 9}}})
		step(0, ledger.Short{Resource: r, N: 5})
	}
	for i := range 40 {
		step(time.Duration(i)*25*time.Millisecond, ledger.Tick{})
	}
	for i := range 40 { // forty times within a second
		step(time.Second+time.Duration(i)*25*time.Millisecond, ledger.Received{From: "a", Message: ledger.Recall{Term: 1, Number: 3, Of: of}})
	}
	for r, n := range said {
		if n > 4 {
			t.Fatalf("%s is said %d times", r, n)
		}
	}
	if len(said) != ledger.MaxWants || most > ledger.MaxWants {
		t.Errorf("%d were said, %d at a time", len(said), most)
	}
}
