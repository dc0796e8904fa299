package ledger_test

import (
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
	believing        // another incarnation is taken as proof that nothing is left of the one before
	presuming        // a provisional ledger does not wait for those who do not count in it
	sulking          // a provisional ledger goes on when there is a leader again
	early            // a ceiling is used without a lease as soon as the configuration says strict
	deaf             // a ceiling is used without a lease when the configuration does not say strict any more
	quick            // nothing is held for the media of the lost
	nodding          // an answer to an old recall counts for a new one
)

// What is shared out: strict and available always are, mixed by a policy that changes, a pipe is held for the media of the
// lost, and some come and go.
const (
	strict = ledger.Resource("strict")
	loose  = ledger.Resource("available")
	mixed  = ledger.Resource("mixed")
	pipe   = ledger.Resource("pipe")
	comes  = 5
)

// lasting are those that are always shared.
var lasting = []ledger.Resource{strict, loose, mixed, pipe}

// coming is one that comes and goes.
func coming(i int) ledger.Resource { return ledger.Resource(fmt.Sprint("pipe ", i)) }

// holdTime is how long the pipe is held.
const holdTime = 6 * time.Second

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "ledger", Sizes: []int{1, 2, 3, 4, 6}, Seeds: 2, First: 4, Steps: 9000, Settle: 28 * time.Second,
		New: func(w *sim.World) sim.Program { return newShares(w, b) },
		Must: []string{
			"cut one way", "cut in a bridge", "pause", "message overtaken", "proposal lost", "recalled", "freed", "over the total", "forgotten",
			"counts aside", "comes back", "granted aside", "served aside", "kept aside",
		},
		Three: []string{"kept for the media of a lost peer"},
		Alone: []string{
			"crash", "leader changed", "granted", "denied", "lease over", "recovered calls", "total changed", "policy changed", "left",
			"came", "went", "used before it was limited", "used without a lease", "under a lease again", "given to one peer in the end",
			"given to all that waited", "table forgot", "refused at once",
		},
	}
}

// LI-06, BW-05, CL-18: strict: what is in use, running or recovered, is never more than the total and never more than
// a peer's ceiling. Available: the ceilings that may be used are together never more than the total. No call is ended
// by the ledger; and in a healed cluster nobody is refused what others do not use.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"a grant before it is agreed":        hasty,
		"a shrink that is told before it is": generous,
		"a lease that is not looked at":      unleased,
		"recovered calls that are not told":  forgetful,
		"a leader that nobody confirms":      stubborn,
		"a start with the same incarnation":  trustful,
		"an incarnation as proof":            believing,
		"who counts elsewhere is not asked":  presuming,
		"a provisional ledger that stays":    sulking,
		"strict before it is agreed":         early,
		"strict for longer than it is":       deaf,
		"media of the lost is not minded":    quick,
		"an old answer for a new recall":     nodding,
	} {
		t.Run(name, func(t *testing.T) {
			tr := trial(b)
			tr.First, tr.Steps = 1, 5000
			switch b {
			case unleased, stubborn: // found in partitions that last
				tr.Sizes, tr.Steps = []int{3}, 20_000
			case presuming: // and in a bridge
				tr.Sizes, tr.Steps, tr.First = []int{3}, 20_000, 66
			case forgetful: // where starts are most of what happens
				tr.Sizes = []int{1}
			}
			tr.Catch(t)
		})
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
	// exceeds is when more than there is was wanted; 0: it was refused.
	exceeds time.Duration
	who     int
	busy    ledger.Resource // of which most is wanted in a run

	aside  map[ledger.History]*ledger.Table // of provisional ledgers
	joined map[[2]int]time.Duration         // since when two machines reach each other and run the same processes
	starts map[[2]int]int                   // of their processes then
	apart  map[[2]int]time.Duration         // when they last counted in the same
	looked time.Duration                    // when that was looked at
	next   time.Duration                    // and is to be next
	alone  map[int]time.Duration            // since when a machine is on a whole side without a leader
	served map[int]time.Duration            // when a machine last had a lease of what is agreed
	leased map[int]time.Duration            // when it last had one of any
}

func newShares(w *sim.World, b broken) *shares {
	s := &shares{
		w: w, broken: b, leader: -1, table: ledger.NewTable(), aside: map[ledger.History]*ledger.Table{}, joined: map[[2]int]time.Duration{},
		starts: map[[2]int]int{}, alone: map[int]time.Duration{}, apart: map[[2]int]time.Duration{}, served: map[int]time.Duration{}, leased: map[int]time.Duration{},
	}
	s.busy = lasting[w.Rand.IntN(len(lasting))]
	s.totals = map[ledger.Resource]ledger.Total{
		strict: {Amount: 20, Policy: ledger.Strict}, loose: {Amount: 20, Policy: ledger.Available},
		mixed: {Amount: 20, Policy: ledger.Policy(w.Rand.IntN(2))}, pipe: {Amount: 20, Policy: ledger.Available, Hold: holdTime},
	}
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
	p := &node{
		s: s, m: m, id: name(m.Index), use: map[ledger.Resource]uint32{}, ceiling: map[ledger.Resource]uint32{},
		free: map[ledger.Resource]bool{}, waits: map[ledger.Resource]uint32{}, said: map[ledger.Resource]bool{}, known: map[cluster.ID]cluster.Incarnation{}, nodded: map[cluster.ID][]ledger.Spent{},
	}
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
	p.offer()
	return p
}

// Operate is what operators and callers do.
func (s *shares) Operate(m *sim.Machine) {
	p := m.Process.(*node)
	switch k := s.w.Rand.IntN(1000); {
	case k < 5:
		s.w.Count("total changed")
		s.change(loose, ledger.Total{Amount: uint32(15 + s.w.Rand.IntN(10)), Policy: ledger.Available})
	case k < 15:
		s.w.Count("policy changed")
		s.change(mixed, ledger.Total{Amount: 20, Policy: 1 - s.totals[mixed].Policy})
	case k < 35:
		s.comeOrGo(coming(s.w.Rand.IntN(comes)))
	case k < 40:
		s.w.Count("left")
		p.step(m.Now(), ledger.Leave{})
		m.After(3*time.Second, func() { s.w.Restart(m) })
	case k < 100:
		s.forget(p)
	default:
		r := s.busy
		switch s.w.Rand.IntN(6) {
		case 0, 1:
			r = lasting[s.w.Rand.IntN(len(lasting))]
		case 2:
			r = coming(s.w.Rand.IntN(comes))
		}
		for range 1 + s.w.Rand.IntN(3) {
			if s.w.Chance(600) {
				p.call(r, uint32(1+s.w.Rand.IntN(4)))
			} else {
				p.hangUp(r)
			}
		}
	}
}

func (s *shares) comeOrGo(r ledger.Resource) {
	if _, there := s.totals[r]; there {
		s.w.Count("went")
		s.change(r, ledger.Total{})
		return
	}
	s.w.Count("came")
	hold := []time.Duration{0, holdTime}[s.w.Rand.IntN(2)]
	s.change(r, ledger.Total{Amount: 6, Policy: ledger.Policy(s.w.Rand.IntN(2)), Hold: hold})
}

// change changes a total in the configuration, which not all peers hear of at once.
func (s *shares) change(r ledger.Resource, to ledger.Total) {
	s.w.Logf("of %s there is now %+v", r, to)
	if s.totals = maps.Clone(s.totals); to == (ledger.Total{}) {
		delete(s.totals, r)
	} else {
		s.totals[r] = to
	}
	for _, o := range s.w.Machines {
		if p, ok := o.Process.(*node); ok {
			o.After(time.Duration(s.w.Rand.IntN(2000))*time.Millisecond, p.offer)
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
	switch {
	case e.Free:
		s.w.Count("freed")
		s.w.Logf("%s is freed: %+v", e.Peer, e)
		s.held(e)
	case e.Gone:
		s.w.Count("table forgot")
	case e.Want != nil:
		s.w.Logf("agreed: %s.%d %+v", e.Peer, e.Incarnation, *e.Want)
	}
	s.log = append(s.log, e)
	s.table.Apply(e)
}

// Quiet ends the calls but a few, lets everybody wait for some of what there is, and then wants all that is left on
// one machine.
func (s *shares) Quiet() {
	if s.table.Over(loose) > 0 {
		s.w.Count("healed over the total")
	}
	s.who = s.w.Rand.IntN(len(s.w.Machines))
	s.w.After(8*time.Second, func() {
		for _, r := range slices.Sorted(maps.Keys(s.totals)) {
			s.share(r)
		}
	})
	s.w.After(14*time.Second, s.waited)
	s.w.After(15*time.Second, func() {
		s.want = s.totals[strict].Amount
		for _, m := range s.w.Machines {
			if p := m.Process.(*node); m.Index != s.who {
				s.want -= p.use[strict]
			}
		}
		s.w.Logf("%s wants %d", name(s.who), s.want)
		p := s.w.Machines[s.who].Process.(*node)
		p.step(p.m.Now(), ledger.Short{Resource: strict, N: s.want - p.ceiling[strict]})
	})
	s.w.After(21*time.Second, s.tooMuch)
}

// tooMuch wants more than there is where all is already that others do not use: all can be asked, so that is answered
// within a round trip, and not after the time that those have who do not answer.
func (s *shares) tooMuch() {
	p := s.w.Machines[s.who].Process.(*node)
	s.exceeds = s.w.Now()
	p.step(p.m.Now(), ledger.Short{Resource: strict, N: 1})
	s.w.After(atOnce, func() {
		if s.exceeds != 0 {
			s.fail("%s is not refused within %s, and all others can be asked", p.id, atOnce)
		}
	})
}

// share has each machine wait for as much of a resource as it can have when nobody else keeps what is idle.
func (s *shares) share(r ledger.Resource) {
	left := s.totals[r].Amount
	for _, m := range s.w.Machines {
		p := m.Process.(*node)
		for p.use[r] > min(2, s.totals[r].Amount/uint32(len(s.w.Machines))) {
			p.hangUp(r)
		}
		left -= p.use[r]
	}
	for _, i := range s.w.Rand.Perm(len(s.w.Machines)) {
		n := uint32(s.w.Rand.IntN(int(left) + 1))
		left -= n
		if n > 0 {
			s.w.Machines[i].Process.(*node).wait(r, n)
		}
	}
}
