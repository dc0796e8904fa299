package transaction

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// network says how bad the way between two ends is.
type network struct {
	lost, twice int           // percent
	slow        time.Duration // messages take up to so long, and overtake each other; less than T1, from which the RFC's times follow
}

// join has two ends hear each other over a bad network.
func (n network) join(a, b *end, seed uint64) {
	one := func(from, to *end) func(transport.Hop, []byte, func(error)) {
		random := rand.New(rand.NewPCG(seed, uint64(to.at.Addr().As4()[3])))
		return func(_ transport.Hop, data []byte, _ func(error)) {
			src := loop.Source{Transport: loop.UDP, Local: to.at, Remote: from.at}
			copies := 1
			if random.IntN(100) < n.twice {
				copies = 2
			}
			for range copies {
				if random.IntN(100) >= n.lost {
					from.shard.After(time.Duration(random.Int64N(int64(n.slow)+1)), func() { to.arrive(src, data) })
				}
			}
		}
	}
	a.carry, b.carry = one(a, b), one(b, a)
}

// exchange is one request of a run, and what came of it.
type exchange struct {
	method   message.Method
	status   int           // the answer
	after    time.Duration // the request
	cancelAt time.Duration // 0: it is not cancelled

	arrived  int // times that the core was given it
	answered int
	ended    []error
	finals   []int
	failures []error
}

func (x *exchange) Response(c *Client, m *message.Message) {
	if m.Status() < 200 {
		return
	}
	x.finals = append(x.finals, m.Status())
	if x.method == message.Invite && m.Status() < 300 {
		ack := request(message.Ack, c.Request().CallID())
		ack.SetTo(m.To())
		c.table.layer.Pass(ack, c.Hop())
	}
}

func (x *exchange) Failed(_ *Client, err error) { x.failures = append(x.failures, err) }

// serve answers as the exchange says.
func (x *exchange) serve(s *Server) {
	x.arrived++
	answer := func(status int) {
		if !s.Answered() {
			x.answered = status
			s.Reply(status, "")
		}
	}
	s.OnEnd(func(err error) { x.ended = append(x.ended, err) })
	if x.method == message.Invite {
		s.Reply(180, "")
		s.OnCancel(func(*message.Message) { answer(487) })
	}
	s.Shard().After(x.after, func() { answer(x.status) })
}

// wrong says what of the exchange must not be; empty: nothing.
func (x *exchange) wrong(n network) string {
	for _, f := range x.finals {
		if f != x.answered {
			return fmt.Sprintf("was told %v, answered was %d", x.finals, x.answered)
		}
	}
	switch repeated := x.method == message.Invite && x.answered < 300; {
	case x.arrived > 1:
		return fmt.Sprintf("reached the core %d times", x.arrived)
	case len(x.ended) != x.arrived:
		return fmt.Sprintf("ended %v, and arrived %d times", x.ended, x.arrived)
	case len(x.failures) > 1, len(x.failures) == 1 && len(x.finals) > 0:
		return fmt.Sprintf("was told %v and failed %v", x.finals, x.failures)
	case len(x.failures)+len(x.finals) == 0:
		return "was told nothing"
	case len(x.finals) > 1 && !repeated:
		return fmt.Sprintf("was told %v", x.finals)
	case n.lost == 0 && len(x.failures) > 0:
		return fmt.Sprintf("failed %v, and nothing was lost", x.failures)
	case n.lost == 0 && x.ended[0] != nil:
		return fmt.Sprintf("ended %v, and nothing was lost", x.ended)
	}
	return ""
}

// Whatever the network loses, repeats and reorders: a request reaches its user once, it has one outcome, which is
// what was answered, and nothing of it is left.
func TestTransactionsAgainstABadNetwork(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := network{
			lost: rapid.SampledFrom([]int{0, 0, 10, 40, 70, 100}).Draw(r, "lost"), twice: rapid.IntRange(0, 50).Draw(r, "twice"),
			slow: time.Duration(rapid.IntRange(0, 450).Draw(r, "slow")) * time.Millisecond,
		}
		seed := rapid.Uint64().Draw(r, "seed")
		var all []*exchange
		for range rapid.IntRange(1, 6).Draw(r, "requests") {
			x := &exchange{
				method: rapid.SampledFrom([]message.Method{message.Invite, message.Invite, message.Options}).Draw(r, "method"),
				status: rapid.SampledFrom([]int{200, 200, 302, 404, 486, 600}).Draw(r, "status"),
				after:  time.Duration(rapid.IntRange(0, 20000).Draw(r, "after")) * time.Millisecond,
			}
			if rapid.Bool().Draw(r, "cancel") {
				x.cancelAt = time.Duration(rapid.IntRange(1, 20000).Draw(r, "when")) * time.Millisecond
			}
			all = append(all, x)
		}
		var complaints []string
		synctest.Test(t, func(t *testing.T) { complaints = run(t, n, seed, all) })
		if diff := cmp.Diff([]string(nil), complaints); diff != "" {
			r.Fatal(diff)
		}
	})
}

// run has every exchange happen at the same time, and returns what was wrong.
func run(t *testing.T, n network, seed uint64, all []*exchange) (complaints []string) {
	a, b := newEnd(t, here), newEnd(t, there)
	n.join(a, b, seed)
	b.serve = func(s *Server) {
		var i int
		_, _ = fmt.Sscan(s.Request().CallID(), &i)
		all[i].serve(s)
	}
	a.do(func() {
		for i, x := range all {
			c := a.Layer.Send(a.shard, request(x.method, fmt.Sprint(i)), transport.Hop{Remote: there}, x)
			if x.cancelAt > 0 {
				a.shard.After(x.cancelAt, func() { c.Cancel(nil) })
			}
		}
	})
	time.Sleep(15 * time.Minute) // patience, and what follows it
	synctest.Wait()
	for i, x := range all {
		if w := x.wrong(n); w != "" {
			complaints = append(complaints, fmt.Sprintf("%s %d %s", x.method, i, w))
		}
	}
	for name, e := range map[string]*end{"client": a, "server": b} {
		if st := e.Stats(); st.Servers+st.Clients+st.Ended != 0 || e.group.Stats().Timers != 0 {
			complaints = append(complaints, fmt.Sprintf("%s keeps %+v, %d timers", name, st, e.group.Stats().Timers))
		}
	}
	return complaints
}
