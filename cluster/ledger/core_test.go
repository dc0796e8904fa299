package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

const pool = ledger.Resource("rms")

func want(peer cluster.ID, i cluster.Incarnation, number uint64, amount uint32, held bool) ledger.Entry {
	return ledger.Entry{Peer: peer, Incarnation: i, Want: &ledger.Want{Resource: pool, Number: number, Amount: amount, Held: held, Leased: true}}
}

// always is a request of who uses what it has without a lease.
func always(e ledger.Entry) ledger.Entry {
	e.Want.Leased = false
	return e
}

func total(n uint32, p ledger.Policy) ledger.Entry {
	return ledger.Entry{Resource: pool, Total: &ledger.Total{Amount: n, Policy: p}}
}

// LI-06: what the table makes of requests, whatever their order.
func TestTable(t *testing.T) {
	for name, tc := range map[string]struct {
		entries []ledger.Entry
		a, b    uint32
	}{
		"within the total":              {[]ledger.Entry{want("a", 1, 1, 6, false), want("b", 1, 1, 4, false)}, 6, 4},
		"what is left":                  {[]ledger.Entry{want("a", 1, 1, 6, false), want("b", 1, 1, 6, false)}, 6, 4},
		"twice":                         {[]ledger.Entry{want("a", 1, 1, 6, false), want("a", 1, 2, 2, false), want("a", 1, 1, 6, false)}, 2, 0},
		"growth never shrinks":          {[]ledger.Entry{want("a", 1, 1, 6, false), want("b", 1, 1, 4, false), want("a", 1, 2, 9, false)}, 6, 4},
		"a new process asks too soon":   {[]ledger.Entry{want("a", 1, 1, 6, false), want("a", 2, 1, 3, false)}, 6, 0},
		"a new process says its use":    {[]ledger.Entry{want("a", 1, 1, 6, false), want("a", 2, 1, 2, true), want("a", 2, 2, 3, false)}, 3, 0},
		"an old process":                {[]ledger.Entry{want("a", 2, 1, 6, true), want("a", 1, 9, 9, true)}, 6, 0},
		"held is held over the total":   {[]ledger.Entry{want("a", 1, 1, 10, false), want("b", 1, 1, 5, true), want("a", 1, 2, 11, false)}, 10, 5},
		"lost, by policy":               {[]ledger.Entry{want("a", 1, 1, 10, false), {Peer: "a", Incarnation: 1, Free: true}, want("b", 1, 1, 10, false)}, 0, 10},
		"lost and back":                 {[]ledger.Entry{want("a", 1, 1, 10, false), {Peer: "a", Incarnation: 1, Free: true}, want("b", 1, 1, 10, false), want("a", 1, 2, 10, false), want("a", 1, 3, 4, true)}, 4, 10},
		"a new process is not freed":    {[]ledger.Entry{want("a", 1, 1, 10, false), want("a", 2, 1, 3, true), {Peer: "a", Incarnation: 1, Free: true, All: true}}, 3, 0},
		"strict is not freed by policy": {[]ledger.Entry{total(10, ledger.Strict), always(want("a", 1, 1, 10, false)), {Peer: "a", Incarnation: 1, Free: true}}, 10, 0},
		"but by the operator":           {[]ledger.Entry{total(10, ledger.Strict), always(want("a", 1, 1, 10, false)), {Peer: "a", Incarnation: 1, Free: true, All: true}}, 0, 0},
		// LI-06: the rule by which its holder uses a ceiling counts, not what the total says meanwhile.
		"strict until its holder says":  {[]ledger.Entry{total(10, ledger.Strict), always(want("a", 1, 1, 10, false)), total(10, ledger.Available), {Peer: "a", Incarnation: 1, Free: true}}, 10, 0},
		"leased until it stands here":   {[]ledger.Entry{want("a", 1, 1, 10, false), total(10, ledger.Strict), {Peer: "a", Incarnation: 1, Free: true}}, 0, 0},
		"its holder looks at the lease": {[]ledger.Entry{total(10, ledger.Strict), always(want("a", 1, 1, 10, false)), total(10, ledger.Available), want("a", 1, 2, 10, false), {Peer: "a", Incarnation: 1, Free: true}}, 0, 0},
		"held for longer":               {[]ledger.Entry{held(10, time.Minute), want("a", 1, 1, 10, false), {Peer: "a", Incarnation: 1, Free: true, Hold: time.Second}}, 10, 0},
		"held no longer":                {[]ledger.Entry{held(10, time.Minute), want("a", 1, 1, 10, false), {Peer: "a", Incarnation: 1, Free: true, Hold: time.Minute}}, 0, 0},
		"no total":                      {[]ledger.Entry{{Resource: pool, Gone: true}, want("a", 1, 1, 3, true), want("b", 1, 1, 3, false)}, 3, 0},
		"a total that goes and comes":   {[]ledger.Entry{want("a", 1, 1, 6, false), {Resource: pool, Gone: true}, want("a", 1, 2, 4, false), want("b", 1, 1, 3, true), total(10, ledger.Available), want("b", 1, 2, 9, false)}, 4, 6},
		"used by nobody, forgotten":     {[]ledger.Entry{want("a", 1, 5, 6, false), {Resource: pool, Gone: true}, want("a", 1, 6, 0, false), total(10, ledger.Available), want("a", 1, 1, 2, true)}, 2, 0},
		"the total is lowered":          {[]ledger.Entry{want("a", 1, 1, 10, false), total(5, ledger.Available), want("a", 1, 2, 12, false)}, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			table := ledger.NewTable()
			table.Apply(total(10, ledger.Available))
			for _, e := range tc.entries {
				table.Apply(e)
			}
			got := []uint32{table.Of("a")[pool].Amount, table.Of("b")[pool].Amount}
			if diff := cmp.Diff([]uint32{tc.a, tc.b}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func held(n uint32, hold time.Duration) ledger.Entry {
	return ledger.Entry{Resource: pool, Total: &ledger.Total{Amount: n, Policy: ledger.Available, Hold: hold}}
}

// rig is two peers with perfect lines, of which a leads; what is proposed is agreed at once.
type rig struct {
	*testing.T
	now     time.Duration
	cores   map[cluster.ID]*ledger.Core
	use     map[cluster.ID]uint32
	ceiling map[cluster.ID]uint32
	lease   map[cluster.ID]time.Duration
	away    map[cluster.ID]bool
	log     []ledger.Applied
	at      map[cluster.ID]int // how much of it each has applied
	busy    bool
	denied  int
	leased  map[cluster.ID]bool
	mute    map[cluster.ID]bool // its counters do not answer
	no      time.Duration       // when somebody was denied last
}

func newRig(t *testing.T, p ledger.Policy) *rig {
	r := &rig{
		T: t, cores: map[cluster.ID]*ledger.Core{}, use: map[cluster.ID]uint32{}, ceiling: map[cluster.ID]uint32{},
		lease: map[cluster.ID]time.Duration{}, away: map[cluster.ID]bool{}, at: map[cluster.ID]int{}, leased: map[cluster.ID]bool{}, mute: map[cluster.ID]bool{},
	}
	for _, id := range []cluster.ID{"a", "b"} {
		r.cores[id] = ledger.New(ledger.Config{Self: id, Incarnation: 1}, ledger.NewTable())
		r.step(id, ledger.Members{Peers: []cluster.ID{"a", "b"}})
		r.step(id, ledger.Totals{Of: map[ledger.Resource]ledger.Total{pool: {Amount: 10, Policy: p}}})
	}
	r.pass(2 * time.Second)
	return r
}

func (r *rig) step(at cluster.ID, e ledger.Event) {
	for _, a := range r.cores[at].Step(r.now, e) {
		switch a := a.(type) {
		case ledger.Send:
			if c := r.cores[a.To]; c != nil && (a.To == at || !r.away[at] && !r.away[a.To]) {
				r.step(a.To, ledger.Received{From: at, Message: a.Message})
			}
		case ledger.Propose:
			r.log = append(r.log, ledger.Applied(a))
			r.agree()
		case ledger.Leased:
			r.leased[at] = a.Leased
		case ledger.Raise:
			r.ceiling[at] = a.To
		case ledger.Lower:
			if r.mute[at] {
				continue
			}
			r.ceiling[at] = max(a.To, r.use[at])
			r.step(at, ledger.Lowered{Resource: a.Resource, To: r.ceiling[at]})
		case ledger.Lease:
			r.lease[at] = a.Until
		case ledger.Denied:
			r.denied++
			r.no = r.now
		}
	}
}

// agree applies all that is proposed, in its order, where it gets to.
func (r *rig) agree() {
	for again := !r.busy; again; {
		r.busy, again = true, false
		for _, id := range []cluster.ID{"a", "b"} {
			if n := r.at[id]; r.cores[id] != nil && !r.away[id] && n < len(r.log) {
				r.at[id], again = n+1, true
				r.step(id, r.log[n])
			}
		}
		r.busy = again
	}
}

func (r *rig) pass(d time.Duration) {
	for end := r.now + d; r.now < end; r.now += 100 * time.Millisecond {
		r.agree()
		r.step("a", ledger.Leads{Term: 1, At: r.now})
		r.step("a", ledger.Tick{})
		r.step("b", ledger.Tick{})
	}
}

func (r *rig) has(a, b uint32) {
	r.Helper()
	if r.ceiling["a"] != a || r.ceiling["b"] != b {
		r.Errorf("at %s: ceilings of %d and %d, want %d and %d", r.now, r.ceiling["a"], r.ceiling["b"], a, b)
	}
}

// BW-05: one peer may have all of it; what it does not use is recalled before another is refused.
func TestRecall(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("a", ledger.Short{Resource: pool, N: 10})
	r.pass(time.Second)
	r.has(10, 0)
	r.use["a"] = 4
	r.step("b", ledger.Short{Resource: pool, N: 5})
	r.pass(1500 * time.Millisecond)
	r.has(5, 5)
	if r.denied > 0 {
		t.Error("refused before the idle was recalled")
	}
	r.use["b"] = 5
	r.step("b", ledger.Short{Resource: pool, N: 2})
	r.pass(4 * time.Second)
	r.has(4, 6) // all that is not in use
	if r.denied != 1 {
		t.Errorf("denied %d times", r.denied)
	}
}

// LI-06: a lost peer's ceiling, by policy, and its return with calls that went on.
func TestLost(t *testing.T) {
	for name, tc := range map[string]struct {
		policy       ledger.Policy
		then, healed [2]uint32
	}{
		"strict":    {ledger.Strict, [2]uint32{4, 6}, [2]uint32{7, 3}},
		"available": {ledger.Available, [2]uint32{10, 6}, [2]uint32{10, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tc.policy)
			r.step("b", ledger.Short{Resource: pool, N: 6})
			r.pass(time.Second)
			r.use["b"] = 3
			r.away["b"] = true
			cut := r.now
			r.pass(7 * time.Second)
			if r.lease["b"] > cut+ledger.LeaseTime {
				t.Errorf("a lease until %s, but nobody confirmed anything after %s", r.lease["b"], cut)
			}
			r.step("a", ledger.Short{Resource: pool, N: 10})
			r.pass(4 * time.Second)
			r.has(tc.then[0], tc.then[1])
			r.use["a"] = tc.then[0]
			r.away["b"] = false
			r.pass(time.Second)
			r.step("a", ledger.Short{Resource: pool, N: 3})
			r.pass(4 * time.Second)
			r.has(tc.healed[0], tc.healed[1])
		})
	}
}

// A planned exit hands over what is not in use.
func TestLeave(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("b", ledger.Short{Resource: pool, N: 8})
	r.pass(time.Second)
	r.use["b"] = 3
	r.step("b", ledger.Leave{})
	r.pass(time.Second)
	r.has(0, 3)
	r.step("a", ledger.Short{Resource: pool, N: 7})
	r.pass(time.Second)
	r.has(7, 3)
}

// A process that starts again holds what its recovered calls use; the rest is free when it has said so.
func TestRecovered(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.step("b", ledger.Short{Resource: pool, N: 8})
	r.pass(time.Second)
	r.ceiling["b"], r.use["b"] = 3, 3
	r.cores["b"] = ledger.New(ledger.Config{Self: "b", Incarnation: 2, Recovered: map[ledger.Resource]uint32{pool: 3}}, ledger.NewTable())
	r.at["b"] = 0
	r.step("b", ledger.Members{Peers: []cluster.ID{"a", "b"}})
	r.pass(time.Second)
	r.step("a", ledger.Short{Resource: pool, N: 10})
	r.pass(3 * time.Second)
	r.has(7, 3)
}

// A leader that nobody confirms answers nobody.
func TestOldLeader(t *testing.T) {
	r := newRig(t, ledger.Strict)
	r.now += 2 * ledger.Overlap
	for _, a := range r.cores["a"].Step(r.now, ledger.Received{From: "b", Message: ledger.Beat{Incarnation: 1, Seq: 99}}) {
		if s, ok := a.(ledger.Send); ok {
			if _, lead := s.Message.(ledger.Lead); lead {
				t.Error("it confirmed")
			}
		}
	}
}

// Who was freed has no lease until the table has what he uses, also while he is lowering a ceiling for
// another reason: the leader would share out what is in use.
func TestNoLeaseOverWhatWasFreed(t *testing.T) {
	c := ledger.New(ledger.Config{Self: "b", Incarnation: 1}, ledger.NewTable())
	lead := func(echo, number uint64, freed bool, recall map[ledger.Resource]uint32) []ledger.Action {
		grant := map[ledger.Resource]ledger.Grant{pool: {Incarnation: 1, Number: number, Amount: 8, Freed: freed}}
		return c.Step(0, ledger.Received{From: "a", Message: ledger.Lead{Term: 1, Incarnation: 1, Echo: echo, Grants: grant, Recall: recall}})
	}
	c.Step(0, ledger.Members{Peers: []cluster.ID{"a", "b"}})
	c.Step(0, ledger.Short{Resource: pool, N: 8}) // number 1 is what is held, 2 this
	lead(1, 1, false, nil)
	lead(2, 2, false, map[ledger.Resource]uint32{pool: 3})
	c.Step(time.Second, ledger.Tick{})
	for _, a := range lead(3, 2, true, nil) {
		if _, ok := a.(ledger.Lease); ok {
			t.Error("it has a lease")
		}
	}
}
