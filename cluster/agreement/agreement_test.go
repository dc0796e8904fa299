package agreement_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/agreement"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

func TestMain(m *testing.M) {
	child()
	// Some questions are never answered by a library that ends: see await.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

const (
	first  = "11111111-0000-4000-8000-000000000000"
	second = "22222222-0000-4000-8000-000000000000"
)

var began = time.Now()

// CL-02, CL-09, CL-12: three peers agree at a round trip of 80 ms; when the leader dies another leads within a few seconds, and
// what was agreed is there on all.
func TestThreePeers(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a", "b", "c")
	r.form(first, "a", "b", "c")
	a, b, c := r.peers["a"], r.peers["b"], r.peers["c"]
	start := time.Now()
	const many = 50
	for i := range uint32(many) {
		if err := a.Propose(total("x", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	r.until("all have it", func() bool { return amount(a, "x") == many && amount(b, "x") == many && amount(c, "x") == many })
	t.Logf("%d proposals were agreed and everywhere after %s", many, time.Since(start).Round(time.Millisecond))
	leads := <-a.Leads()
	if leads.Term != a.State().Term || leads.At > time.Since(began) {
		t.Errorf("%+v, and the state is %+v", leads, a.State())
	}

	start = time.Now()
	a.sever(true)
	r.until("another leads", func() bool { return r.leader() != nil })
	t.Logf("another led %s after the leader was cut off", time.Since(start).Round(time.Millisecond))
	next := r.leader()
	r.until("it says so", func() bool { return len(next.Leads()) > 0 })
	if err := next.Propose(total("y", 7)); err != nil {
		t.Fatal(err)
	}
	a.sever(false)
	r.until("the old one has it", func() bool { return amount(a, "y") == 7 && amount(b, "y") == 7 && amount(c, "y") == 7 })

	next = r.leader()
	to := r.peers["a"]
	if next == to {
		to = r.peers["b"]
	}
	if err := next.Transfer(to.cfg.Self); err != nil {
		t.Fatal(err)
	}
	r.until("it was handed over", func() bool { return r.leader() == to })
	// CL-13: who is removed is remembered until it was reset.
	if err := to.Remove("c"); err != nil {
		t.Fatal(err)
	}
	r.until("c is removed", func() bool {
		s := to.State().Agreed
		return len(s.Voters) == 2 && cmp.Equal(s.Removed, []cluster.ID{"c"})
	})
	if err := to.Readmit("c"); err != nil {
		t.Fatal(err)
	}
	r.until("c may come", func() bool { return len(to.State().Agreed.Removed) == 0 })
	// CL-22: an address is corrected without a change of the members.
	if err := to.Add(to.cfg.Self, "peer.example.test"); err != nil {
		t.Fatal(err)
	}
	r.until("the address is another", func() bool {
		for _, v := range b.State().Agreed.Voters {
			if v.Address == "peer.example.test" {
				return true
			}
		}
		return false
	})
}

// A restart finds what was agreed, and so does who was away.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a", "b")
	r.form(first, "a", "b")
	a, b := r.peers["a"], r.peers["b"]
	if err := a.Propose(total("x", 3)); err != nil {
		t.Fatal(err)
	}
	r.until("both have it", func() bool { return amount(a, "x") == 3 && amount(b, "x") == 3 })
	for _, p := range []*peer{a, b} {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.sever(false)
		p.open()
	}
	r.until("both have it again", func() bool { return amount(a, "x") == 3 && amount(b, "x") == 3 })
	if got := b.Stored().Cluster; got != first {
		t.Errorf("b belongs to %q", got)
	}
}

// CL-12, CL-13: of two the leader dies for good. The other begins a new history that goes on from what was agreed; who comes
// back with the old id gets nowhere with it, and joins anew.
func TestNewHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a", "b")
	r.form(first, "a", "b")
	a, b := r.peers["a"], r.peers["b"]
	if err := a.Propose(total("x", 3)); err != nil {
		t.Fatal(err)
	}
	r.until("both have it", func() bool { return amount(b, "x") == 3 })
	a.sever(true)
	b.step(membership.Recover, second, first)
	r.until("b leads alone", func() bool { return b.State().Leads })
	if amount(b, "x") != 3 {
		t.Error("what was agreed is not in the new history")
	}
	a.sever(false)
	if err := b.Propose(total("x", 4)); err != nil {
		t.Fatal(err)
	}
	r.until("b goes on", func() bool { return amount(b, "x") == 4 })
	// For longer than an election takes, both try to reach each other.
	stray := time.After(4 * time.Second)
	r.until("the histories stay apart", func() bool {
		select {
		case <-stray:
			return true
		default:
			return amount(a, "x") != 3 || len(b.State().Agreed.Voters) != 1
		}
	})
	if amount(a, "x") != 3 {
		t.Error("a peer with the old id follows the new history")
	}
	a.step(membership.Join, second, first)
	if err := b.Add("a", "a"); err != nil {
		t.Fatal(err)
	}
	r.until("a follows", func() bool { return amount(a, "x") == 4 })
	if last := a.last(); last.Cluster != second {
		t.Errorf("a was told of %+v last", last)
	}
}

func (p *peer) last() agreement.Applied {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[len(p.heard)-1]
}

// A leader that nobody confirms says no more that it leads, and what it could not have agreed on ends its term.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a", "b")
	r.form(first, "a", "b")
	a := r.peers["a"]
	leads := <-a.Leads()
	a.sever(true)
	if err := a.Propose(total("x", 3)); err != nil {
		t.Fatal(err)
	}
	r.until("it does not lead", func() bool { return !a.State().Leads })
	if why := a.State().Why; why == "" {
		t.Error("nothing says that there is no majority")
	}
	for len(a.Leads()) > 0 {
		if late := <-a.Leads(); late.At > leads.At+1500*time.Millisecond {
			t.Errorf("it says that it led at %s, and was cut off at %s", late.At, leads.At)
		}
	}
	if err := a.Propose(total("x", 4)); err == nil {
		t.Error("who does not lead takes proposals")
	}
	a.sever(false)
	r.until("somebody leads", func() bool { return r.leader() != nil })
	if p := r.leader(); p.State().Term == leads.Term {
		t.Error("the term goes on in which a proposal got lost")
	}
}

// A stream that does not begin with this history's id ends, before a message of the library's is read.
func TestStreamsOfNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, "a")
	r.form(first, "a")
	for name, greeting := range map[string]string{
		"another history": "turnpike-raft 1 " + second + "\n",
		"no greeting":     fmt.Sprintf("%-53s", "GET / HTTP/1.1\r\nHost: a.example.test\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			r.peers["a"].Accept(there)
			if _, err := here.Write([]byte(greeting)); errors.Is(err, io.ErrClosedPipe) {
				return // before all of it was read
			} else if err != nil {
				t.Fatal(err)
			}
			if err := here.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if n, err := here.Read(make([]byte, 1)); err == nil || n > 0 {
				t.Error("it was not closed")
			}
		})
	}
}

// What the leader has pictured, a peer reads.
func TestPicture(t *testing.T) {
	table := ledger.NewTable()
	table.Apply(total("x", 9))
	table.Apply(ledger.Entry{Resource: "y", Total: &ledger.Total{Amount: 5, Policy: ledger.Available}})
	for i, id := range []cluster.ID{"a", "b"} {
		table.Apply(ledger.Entry{Peer: id, Incarnation: 3, Want: &ledger.Want{Resource: "x", Number: uint64(i + 1), Amount: 4}})
	}
	table.Apply(ledger.Entry{Peer: "b", Incarnation: 3, Free: true, All: true})
	got, removed, err := agreement.Pictured(table, []cluster.ID{"d"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table, got); diff != "" {
		t.Error(diff)
	}
	if fmt.Sprint(removed) != "[d]" {
		t.Errorf("%v", removed)
	}
}

// No line of a log, and no snapshot, does more than be refused.
func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"ledger":{"peer":"a","incarnation":3,"want":{"resource":"x","number":1,"amount":4}}}`))
	f.Add([]byte(`{"ledger":{"resource":"x","total":{"amount":4}}}`))
	f.Add([]byte(`{"remove":"a"}`))
	f.Add([]byte(`{"version":1,"index":3,"grants":{"a":[{"resource":"x","amount":4}]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { agreement.Feed(data) })
}

func TestEndsWithoutAnAnswer(t *testing.T) {
	if err := agreement.Ends(); !errors.Is(err, agreement.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestForfeitedTermStaysSo(t *testing.T) {
	if got := agreement.Forfeited(3, 5, 4); got != 5 {
		t.Errorf("got term %d", got)
	}
}
