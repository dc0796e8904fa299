package ledger_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the core does wrong.
type broken int

const (
	whole     broken = iota
	hasty            // a leader takes for agreed what it has only proposed
	generous         // a ceiling is told to be lower before it is
	unleased         // leases are not looked at
	forgetful        // a start does not say what recovered calls use
	stubborn         // a leader goes on when nobody confirms it
	trustful         // a start raises no incarnation
	presuming        // a provisional ledger does not wait for those who do not count in it
	sulking          // a provisional ledger goes on when there is a leader again
)

const (
	strict = ledger.Resource("strict")
	loose  = ledger.Resource("available")
)

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "ledger", Sizes: []int{1, 2, 3, 4, 6}, Seeds: 6, Steps: 5000, Settle: 20 * time.Second,
		New: func(w *sim.World) sim.Program { return newShares(w, b) },
		Must: []string{
			"cut one way", "cut in a bridge", "crash", "pause", "message overtaken", "leader changed", "proposal lost", "granted", "denied",
			"recalled", "freed", "over the total", "lease over", "recovered calls", "total changed", "left", "forgotten", "given to one peer in the end",
			"counts aside", "comes back", "granted aside", "served aside",
		},
	}
}

// LI-06, BW-05, CL-18: strict: what is in use, running or recovered, is never more than the total and never more than
// a peer's ceiling. Available: the ceilings that may be used are together never more than the total. No call is ended
// by the ledger; and in a healed cluster one peer gets all that the others do not use.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"a grant before it is agreed":        hasty,
		"a shrink that is told before it is": generous,
		"a lease that is not looked at":      unleased,
		"recovered calls that are not told":  forgetful,
		"a leader that nobody confirms":      stubborn,
		"a start with the same incarnation":  trustful,
		"who counts elsewhere is not asked":  presuming,
		"a provisional ledger that stays":    sulking,
	} {
		t.Run(name, func(t *testing.T) { trial(b).Catch(t) })
	}
}

// shares is a cluster with a ledger, and an agreement as hashicorp/raft gives it: one leader that a
// majority has confirmed a moment ago, one log.
type shares struct {
	w      *sim.World
	broken broken
	log    []ledger.Entry
	table  *ledger.Table // after the whole log
	term   uint64
	leader int
	valid  time.Duration // when a majority last confirmed the leader
	totals map[ledger.Resource]ledger.Total
	err    error
	want   uint32
	who    int

	aside  map[ledger.History]*ledger.Table // of provisional ledgers
	joined map[[2]int]time.Duration         // since when two machines reach each other and run the same processes
	starts map[[2]int]int                   // of their processes then
	apart  map[[2]int]time.Duration         // when they last counted in the same
	looked time.Duration                    // when that was looked at
	alone  map[int]time.Duration            // since when a machine is on a whole side without a leader
}

func newShares(w *sim.World, b broken) *shares {
	s := &shares{w: w, broken: b, leader: -1, table: ledger.NewTable(), aside: map[ledger.History]*ledger.Table{}, joined: map[[2]int]time.Duration{}, starts: map[[2]int]int{}, alone: map[int]time.Duration{}, apart: map[[2]int]time.Duration{}}
	s.totals = map[ledger.Resource]ledger.Total{strict: {Amount: 20, Policy: ledger.Strict}, loose: {Amount: 20, Policy: ledger.Available}}
	return s
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func index(id cluster.ID) int { return int(id[0] - 'a') }

func (s *shares) Every() time.Duration { return 100 * time.Millisecond }

// majority says whether a machine reaches one, there and back.
func (s *shares) majority(i int) bool {
	n := 0
	for j, m := range s.w.Machines {
		if m.Runs() && s.w.Reaches(i, j) && s.w.Reaches(j, i) {
			n++
		}
	}
	return s.w.Machines[i].Runs() && 2*n > len(s.w.Machines)
}

// elect keeps the leader while it has a majority, and takes another a second after it has not.
func (s *shares) elect() {
	if s.leader >= 0 && s.majority(s.leader) {
		s.valid = s.w.Now()
		return
	}
	if s.w.Now()-s.valid < 1100*time.Millisecond {
		return
	}
	for _, i := range s.w.Rand.Perm(len(s.w.Machines)) {
		if s.majority(i) {
			s.leader, s.valid = i, s.w.Now()
			s.term++
			s.w.Count("leader changed")
			s.w.Logf("%s leads", name(i))
			return
		}
	}
}

func (s *shares) Start(m *sim.Machine) sim.Process {
	p := &node{s: s, m: m, id: name(m.Index), use: map[ledger.Resource]uint32{}, ceiling: map[ledger.Resource]uint32{}, free: map[ledger.Resource]bool{}}
	incarnation := cluster.Incarnation(m.Starts)
	if s.broken == trustful {
		incarnation = 1
	}
	if kept, ok := m.Read("use").(map[ledger.Resource]uint32); ok {
		p.use = maps.Clone(kept)
		s.w.Count("recovered calls")
	}
	recovered := maps.Clone(p.use)
	if s.broken == forgetful {
		recovered = nil
	}
	p.ceiling = maps.Clone(p.use)
	if s.leader == m.Index {
		s.leader = -1 // its process is another
	}
	p.core = ledger.New(ledger.Config{
		Self: p.id, Incarnation: incarnation, Recovered: recovered,
	}, ledger.NewTable())
	p.live = liveness.New(p.id, cluster.Incarnation(m.Starts))
	list := liveness.List{Own: m.Index}
	for i := range s.w.Machines {
		p.all = append(p.all, name(i))
		list.Addresses = append(list.Addresses, string(name(i)))
	}
	p.step(m.Now(), ledger.Members{Peers: p.all})
	p.life(m.Now(), list)
	p.step(m.Now(), ledger.Totals{Of: s.totals})
	return p
}

func (s *shares) Operate(m *sim.Machine) {
	p := m.Process.(*node)
	if s.w.Chance(5) {
		s.w.Count("total changed")
		s.totals[loose] = ledger.Total{Amount: uint32(15 + s.w.Rand.IntN(10)), Policy: ledger.Available}
		for _, o := range s.w.Machines {
			if o.Process != nil {
				o.After(0, func() { o.Process.(*node).step(o.Now(), ledger.Totals{Of: s.totals}) })
			}
		}
		return
	}
	if s.w.Chance(5) {
		s.w.Count("left")
		p.step(m.Now(), ledger.Leave{})
		m.After(3*time.Second, func() { s.w.Restart(m) })
		return
	}
	if s.w.Chance(60) {
		s.forget(p)
		return
	}
	r := []ledger.Resource{strict, loose}[s.w.Rand.IntN(2)]
	for range 1 + s.w.Rand.IntN(3) {
		if s.w.Chance(600) {
			p.call(r, uint32(1+s.w.Rand.IntN(4)))
		} else {
			p.hangUp(r)
		}
	}
}

// forget is an operator who says at the leader that a machine which is down will not come back with its calls.
func (s *shares) forget(at *node) {
	for _, m := range s.w.Machines {
		if m.Process == nil && at.core.Leading(at.m.Now()) {
			s.w.Count("forgotten")
			m.Put("use", map[ledger.Resource]uint32{})
			at.step(at.m.Now(), ledger.Forget{Peer: name(m.Index)})
			return
		}
	}
}

// Check holds what is in use and what may be used against the totals.
func (s *shares) Check(m *sim.Machine) error {
	if s.err != nil {
		return s.err
	}
	s.elect()
	var used uint64
	usable := map[ledger.History]uint64{}
	for _, o := range s.w.Machines {
		use, _ := o.Read("use").(map[ledger.Resource]uint32)
		used += uint64(use[strict])
		if p, ok := o.Process.(*node); ok {
			if p.use[strict] > p.ceiling[strict] {
				return fmt.Errorf("%s uses %d of strict, its ceiling is %d", p.id, p.use[strict], p.ceiling[strict])
			}
			if t := p.core.Provisional(); t != nil {
				h, _ := p.core.Aside()
				s.aside[h] = t
			}
			if p.leased() {
				usable[p.leasedIn] += uint64(p.ceiling[loose])
			}
		}
	}
	if total := uint64(s.totals[strict].Amount); used > total {
		return fmt.Errorf("%d of %d strict are in use", used, total)
	}
	for h, n := range usable {
		if err := s.within(h, n); err != nil {
			return err
		}
	}
	if granted := s.table.Granted(strict); granted > uint64(s.totals[strict].Amount) {
		return fmt.Errorf("%d of strict are granted", granted)
	}
	return errors.Join(s.together(), s.served())
}

// within holds what may be used of one table against its total.
func (s *shares) within(h ledger.History, usable uint64) error {
	t, what := s.table, "over the total"
	if h != (ledger.History{}) {
		t, what = s.aside[h], "aside over the total"
	}
	granted, total := t.Granted(loose), uint64(t.Totals[loose].Amount)
	for _, of := range t.Grants {
		if of[loose].Freed && h != (ledger.History{}) {
			s.w.Count("freed aside")
		}
	}
	if granted > total {
		s.w.Count(what)
	}
	if granted <= total && usable > total {
		return fmt.Errorf("%d of %d available may be used in %v, %d are granted", usable, total, h, granted)
	}
	return nil
}

// Times in which peers that reach each other find together: what was given elsewhere ends, and all say what
// they hold; and in which a side without a leader counts for itself.
const (
	findTogether = 15 * time.Second
	comeTogether = 5 * time.Second // when there is a leader again, or another
	findAside    = 25 * time.Second
)

// served says whether nobody may use anything on a side of the cluster that has no leader and is whole: all reach
// each other, and nobody else.
func (s *shares) served() error {
	if s.w.Now()-s.looked > 300*time.Millisecond {
		clear(s.alone) // all were paused
		for i := range s.w.Machines {
			s.alone[i] = s.w.Now()
		}
	}
	s.looked = s.w.Now()
	for i, m := range s.w.Machines {
		if !m.Runs() || s.majority(i) {
			s.alone[i] = s.w.Now()
			continue
		}
		for j, o := range s.w.Machines {
			for k := range s.w.Machines {
				// What reaches i in any way reaches it both ways, and all that it reaches.
				near := s.w.Reaches(i, j) || s.w.Reaches(j, i)
				if o.Runs() && near && (s.joined[[2]int{i, j}] == 0 || s.w.Machines[k].Runs() && s.joined[[2]int{i, k}] != 0 != (s.joined[[2]int{j, k}] != 0)) {
					s.alone[i] = s.w.Now()
				}
			}
			if at := s.joined[[2]int{i, j}]; at != 0 {
				s.alone[i] = max(s.alone[i], at)
			}
		}
		if since := s.w.Now() - s.alone[i]; since > findAside {
			s.w.Count("served aside")
			if p := m.Process.(*node); !p.leased() {
				return fmt.Errorf("%s has no lease, and its side is whole and without a leader for %s", p.id, since)
			}
		}
	}
	return nil
}

// together says whether two peers count apart that reach each other, and whether nobody counts on a side that is whole.
func (s *shares) together() error {
	for i, m := range s.w.Machines {
		for j, o := range s.w.Machines {
			pair := [2]int{i, j}
			if !m.Runs() || !o.Runs() || !s.w.Reaches(i, j) || !s.w.Reaches(j, i) {
				delete(s.joined, pair)
				continue
			}
			p, q := m.Process.(*node), o.Process.(*node)
			at, ok := s.joined[pair]
			if !ok || s.starts[pair] != m.Starts+o.Starts {
				at, s.joined[pair], s.starts[pair] = s.w.Now(), s.w.Now(), m.Starts+o.Starts
			}
			if !p.leased() || !q.leased() || p.leasedIn == q.leasedIn || s.apart[pair] == 0 {
				s.apart[pair] = s.w.Now()
			}
			if s.w.Now()-max(at+findTogether, s.apart[pair]+comeTogether) > 0 {
				return fmt.Errorf("%s counts in %v and %s in %v, and they reach each other for %s", p.id, p.leasedIn, q.id, q.leasedIn, s.w.Now()-at)
			}
		}
	}
	return nil
}

// Quiet ends the calls but a few and then wants all that is left on one machine.
func (s *shares) Quiet() {
	if s.table.Over(loose) > 0 {
		s.w.Count("healed over the total")
	}
	s.who = s.w.Rand.IntN(len(s.w.Machines))
	s.w.After(8*time.Second, func() {
		s.want = s.totals[strict].Amount
		for _, m := range s.w.Machines {
			p := m.Process.(*node)
			for p.use[strict] > 2 {
				p.hangUp(strict)
			}
			for p.use[loose] > 2 {
				p.hangUp(loose)
			}
			if m.Index != s.who {
				s.want -= p.use[strict]
			}
		}
		s.w.Logf("%s wants %d", name(s.who), s.want)
		p := s.w.Machines[s.who].Process.(*node)
		p.step(p.m.Now(), ledger.Short{Resource: strict, N: s.want - p.ceiling[strict]})
	})
}

func (s *shares) Converged() error {
	for _, m := range s.w.Machines {
		p := m.Process.(*node)
		if h, aside := p.core.Aside(); aside {
			return fmt.Errorf("%s counts in %v", p.id, h)
		}
		if !p.leased() || p.leasedIn != (ledger.History{}) {
			return fmt.Errorf("%s has no lease", p.id)
		}
		for r, c := range p.ceiling {
			if g := s.table.Grants[p.id][r]; g.Amount != c {
				return fmt.Errorf("%s has a ceiling of %d, of %s %d are agreed", p.id, c, r, g.Amount)
			}
		}
		if p.index != len(s.log) {
			return fmt.Errorf("%s has applied %d of %d", p.id, p.index, len(s.log))
		}
	}
	if got := s.w.Machines[s.who].Process.(*node).ceiling[strict]; got != s.want {
		return fmt.Errorf("%s has %d, nobody else uses what is missing to %d", name(s.who), got, s.want)
	}
	s.w.Count("given to one peer in the end")
	return nil
}

// node is what runs on a machine: the core and the counters of an admission.
type node struct {
	s       *shares
	m       *sim.Machine
	id      cluster.ID
	core    *ledger.Core
	use     map[ledger.Resource]uint32
	ceiling map[ledger.Resource]uint32
	lease   time.Duration
	free    map[ledger.Resource]bool // used without a lease
	// leasedIn is the table of which it has a lease.
	leasedIn ledger.History
	live     *liveness.Core
	all      []cluster.ID
	here     []cluster.ID
	index    int // of the log
	term     uint64
}

func (p *node) leased() bool { return p.s.broken == unleased || p.m.Now() < p.lease }

// call admits a call, or says what was short.
func (p *node) call(r ledger.Resource, n uint32) {
	if !p.free[r] && !p.leased() {
		p.s.w.Count("lease over")
		return
	}
	if p.use[r]+n > p.ceiling[r] {
		p.step(p.m.Now(), ledger.Short{Resource: r, N: n + 2})
		return
	}
	p.use[r] += n
	p.m.Put("use", maps.Clone(p.use))
}

func (p *node) hangUp(r ledger.Resource) {
	if p.use[r] > 0 {
		p.use[r]--
		p.m.Put("use", maps.Clone(p.use))
	}
}

func (p *node) Tick(now time.Duration) {
	s := p.s
	s.elect()
	p.life(now, liveness.Tick{})
	if s.leader >= 0 && s.w.Reaches(s.leader, p.m.Index) && s.w.Machines[s.leader].Runs() || s.leader == p.m.Index {
		for p.index < len(s.log) {
			p.index++
			p.step(now, ledger.Applied{Entry: s.log[p.index-1]})
		}
	}
	if s.leader == p.m.Index && s.majority(p.m.Index) {
		p.term = s.term
		p.step(now, ledger.Leads{Term: s.term, At: now})
	} else if s.broken == stubborn && p.term != 0 {
		p.step(now, ledger.Leads{Term: p.term, At: now})
	}
	p.step(now, ledger.Tick{})
}

func (p *node) Receive(now time.Duration, from int, message any) {
	switch m := message.(type) {
	case liveness.Beat:
		p.life(now, liveness.Heard{Address: string(name(from)), From: name(from), Beat: m})
		return
	case ledger.Beat:
		if h, aside := p.core.Aside(); p.s.broken == presuming && aside && h.Leader == p.id {
			m.Under = h
		}
		message = m
	case ledger.Lead:
		if _, aside := p.core.Aside(); p.s.broken == sulking && aside && m.Under == (ledger.History{}) {
			return
		}
	}
	p.step(now, ledger.Received{From: name(from), Message: message})
}

func (p *node) life(now time.Duration, e liveness.Event) {
	for _, a := range p.live.Step(now, e) {
		if s, ok := a.(liveness.Send); ok {
			p.m.Send(index(cluster.ID(s.Address)), s.Beat)
		}
	}
	var here []cluster.ID
	for _, id := range p.all {
		if s := p.live.State(id); id == p.id || s == liveness.Active || s == liveness.Suspect {
			here = append(here, id)
		}
	}
	if !slices.Equal(here, p.here) {
		p.here = here
		p.step(now, ledger.Here{Peers: here})
	}
}

func (p *node) step(now time.Duration, e ledger.Event) {
	was, _ := p.core.Aside()
	for _, a := range p.core.Step(now, e) {
		p.act(now, a)
	}
	switch is, aside := p.core.Aside(); {
	case is != was && aside:
		p.s.w.Count("counts aside")
		p.s.w.Logf("%s counts in %v", p.id, is)
	case is != was:
		p.s.w.Count("comes back")
		p.s.w.Logf("%s counts by what is agreed", p.id)
	}
}

func (p *node) act(now time.Duration, a ledger.Action) {
	w := p.s.w
	switch a := a.(type) {
	case ledger.Send:
		if a.To == p.id {
			p.m.After(0, func() { p.Receive(p.m.Now(), p.m.Index, a.Message) })
			return
		}
		if _, ok := a.Message.(ledger.Recall); ok {
			w.Count("recalled")
		}
		p.m.Send(index(a.To), a.Message)
	case ledger.Propose:
		p.propose(a.Entry)
	case ledger.Leased:
		p.free[a.Resource] = !a.Leased
	case ledger.Raise:
		w.Logf("%s may use %d of %s", p.id, a.To, a.Resource)
		w.Count("granted")
		if _, aside := p.core.Aside(); aside {
			w.Count("granted aside")
		}
		p.ceiling[a.Resource] = a.To
	case ledger.Lower:
		to := max(a.To, p.use[a.Resource])
		w.Logf("%s lowers %s from %d to %d", p.id, a.Resource, p.ceiling[a.Resource], to)
		if p.s.broken != generous {
			p.ceiling[a.Resource] = to
		} else {
			p.m.After(2*time.Second, func() { p.ceiling[a.Resource] = max(p.use[a.Resource], min(to, p.ceiling[a.Resource])) })
		}
		p.m.After(0, func() { p.step(p.m.Now(), ledger.Lowered{Resource: a.Resource, To: to}) })
	case ledger.Lease:
		if now > p.lease {
			w.Logf("%s has a lease, %d of %s", p.id, p.ceiling[loose], loose)
		}
		p.lease = max(p.lease, a.Until)
		p.leasedIn, _ = p.core.Aside()
	case ledger.Denied:
		w.Count("denied")
	}
}

// propose is agreed on some time later, if the leader still leads then.
func (p *node) propose(e ledger.Entry) {
	s, term := p.s, p.term
	if s.broken == hasty {
		p.m.After(0, func() { p.step(p.m.Now(), ledger.Applied{Entry: e}) })
	}
	s.w.After(time.Duration(s.w.Rand.IntN(200))*time.Millisecond, func() { s.agree(p, term, e) })
}

// agree waits for a majority, as long as the leader stays the same.
func (s *shares) agree(p *node, term uint64, e ledger.Entry) {
	i := p.m.Index
	if term != s.term || s.leader != i {
		s.w.Count("proposal lost")
		return
	}
	if !s.majority(i) {
		s.w.After(100*time.Millisecond, func() { s.agree(p, term, e) })
		return
	}
	if e.Free {
		s.w.Count("freed")
		s.w.Logf("%s is freed", e.Peer)
	}
	if e.Want != nil {
		s.w.Logf("agreed: %s.%d %+v", e.Peer, e.Incarnation, *e.Want)
	}
	s.log = append(s.log, e)
	s.table.Apply(e)
}
