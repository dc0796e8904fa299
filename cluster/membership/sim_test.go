package membership_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/sim"
)

// broken is what a wrapper around the core does wrong.
type broken int

const (
	whole     broken = iota
	hasty            // takes a step for made that is not durable
	open             // admits whoever asks
	trusting         // takes everybody for a member who answers
	impatient        // begins a new history whenever there is no leader
	thrifty          // begins a new history under the id that it has
)

func trial(b broken) sim.Trial {
	return sim.Trial{
		Name: "membership", Sizes: []int{1, 2, 3, 4, 5, 6}, Seeds: 1, Steps: 4000, Long: 5000, Settle: 60 * time.Second, Calm: 8 * time.Second,
		New: func(w *sim.World) sim.Program { return newPeers(w, b) },
		Must: []string{
			"cut one way", "cut in a bridge", "crash", "pause",
			"founded", "joined", "recovered", "settled", "added", "address corrected", "transferred",
			"refused", "primary changed", "peer taken off the list", "reset", "of another cluster",
		},
		Rare: []string{"torn write lost", "joined again", "removed", "dropped", "readmitted"},
	}
}

// CL-02, CL-12, CL-13, CL-18: an id is minted once and its history never branches; only who carries it and was not
// removed is a member; a removed peer and one of another cluster come in only after a reset; and in a healed cluster
// everybody has one id, votes, and is led by the primary.
func TestSimulated(t *testing.T) { trial(whole).Run(t) }

func TestBrokenVariantsAreCaught(t *testing.T) {
	for name, b := range map[string]broken{
		"a step that is not durable":     hasty,
		"whoever asks is admitted":       open,
		"whoever answers is a member":    trusting,
		"no leader is reason enough":     impatient,
		"a new history under the old id": thrifty,
	} {
		t.Run(name, func(t *testing.T) { trial(b).Catch(t) })
	}
}

// peers is a cluster with liveness, configuration, membership, and an agreement as hashicorp/raft gives it.
type peers struct {
	w         *sim.World
	broken    broken
	histories map[string]*history
	begun     []*history              // in the order in which they did, so that a seed gives one run
	carried   map[string]map[int]bool // id, machine
	said      []string                // the id that a machine has told others that it carries
	stay      []int                   // who was a member when all was put in order, and was not reset
	ids       int
	err       error
}

func newPeers(w *sim.World, b broken) *peers {
	ps := &peers{w: w, broken: b, histories: map[string]*history{}, carried: map[string]map[int]bool{}, said: make([]string, len(w.Machines))}
	for _, m := range w.Machines {
		ps.reset(m)
	}
	return ps
}

func name(i int) cluster.ID { return cluster.ID(rune('a' + i)) }

func index(id cluster.ID) int { return int(id[0] - 'a') }

// entry is a machine's address: it has two.
func entry(i int, fqdn bool) string {
	if fqdn {
		return string(name(i)) + ".example.test"
	}
	return string(name(i)) + " 192.0.2." + fmt.Sprint(i)
}

// of is whose address an entry is.
func of(entry string) int { return int(entry[0] - 'a') }

type own struct {
	list     []string
	primary  int // machine
	decision uint64
}

func (o own) at(i int) int {
	return slices.IndexFunc(o.list, func(e string) bool { return of(e) == i })
}

func (o own) settings() settings.Settings {
	return settings.Settings{Name: "cluster", Primary: o.at(o.primary) + 1, Peers: o.list, Software: "1"}
}

// reset gives a machine what a node file says: all of the list, the first as the primary.
func (ps *peers) reset(m *sim.Machine) {
	o := own{decision: 1}
	for i := range ps.w.Machines {
		o.list = append(o.list, entry(i, false))
	}
	m.Put("own", o)
	m.Put("revision", revisions.Stored{})
	m.Put("member", member{})
	ps.said[m.Index] = ""
	m.Put("reset", true)
}

func (ps *peers) fail(format string, args ...any) {
	if ps.err == nil {
		ps.err = fmt.Errorf(format, args...)
	}
}

func (ps *peers) Every() time.Duration { return 100 * time.Millisecond }

func (ps *peers) Check(*sim.Machine) error {
	for _, h := range ps.begun {
		h.elect(ps)
	}
	return ps.err
}

func (ps *peers) Start(m *sim.Machine) sim.Process {
	p := &node{ps: ps, m: m, id: name(m.Index), heard: map[int]bool{}}
	incarnation := cluster.Incarnation(m.Starts)
	stored, _ := m.Read("revision").(revisions.Stored)
	kept := m.Read("member").(member)
	if said := ps.said[m.Index]; kept.Cluster != said && !slices.Contains(kept.Earlier, said) && said != "" {
		ps.fail("%s starts with %q, and told others that it carries %q", p.id, kept.Cluster, said)
	}
	ps.carry(p, kept)
	p.live = liveness.New(p.id, incarnation)
	p.revs = revisions.New(revisions.Config{
		Self: p.id, Incarnation: incarnation, Software: "1", Stored: stored,
		Initial: revisions.Propose{Bytes: "initial", Digest: "initial"},
	})
	p.core = membership.New(membership.Config{Self: p.id, Stored: kept.Stored})
	p.configure()
	return p
}

// Operate is an operator who does what the guide says, and what it warns of.
func (ps *peers) Operate(m *sim.Machine) {
	size := len(ps.w.Machines)
	switch n := ps.w.Rand.IntN(800); {
	case n < 12:
		ps.elect(ps.w.Rand.IntN(size))
	case n < 20 && size > 1:
		ps.takeOff(ps.w.Rand.IntN(size))
	case n < 60:
		ps.putBack(ps.w.Rand.IntN(size), ps.w.Chance(500))
	case n < 66:
		ps.rename(ps.w.Rand.IntN(size))
	case n < 69:
		ps.w.Count("reset")
		ps.w.Logf("operator: %s is reset", name(m.Index))
		ps.anew(m, func() { ps.reset(m) })
	case n < 70:
		ps.w.Count("of another cluster")
		ps.w.Logf("operator: %s comes from another cluster", name(m.Index))
		ps.anew(m, func() {
			ps.reset(m)
			ps.ids++
			m.Put("member", member{Stored: membership.Stored{Cluster: fmt.Sprintf("foreign-%d", ps.ids)}})
			m.Put("reset", false)
		})
	}
}

func (ps *peers) anew(m *sim.Machine, change func()) {
	m.Crash()
	change()
	m.Start()
}

// change changes the settings of all machines that run, one at first and the others when the operator gets there.
func (ps *peers) change(first int, do func(i int, o *own)) {
	for i, m := range ps.w.Machines {
		if !m.Runs() {
			continue
		}
		after := time.Duration(0)
		if i != first {
			after = time.Duration(ps.w.Rand.IntN(4000)) * time.Millisecond
		}
		m.After(after, func() {
			o := m.Read("own").(own)
			o.list = slices.Clone(o.list)
			was := o.primary
			do(i, &o)
			if o.primary != was {
				o.decision++
			}
			m.Put("own", o)
			m.Process.(*node).configure()
		})
	}
}

func (ps *peers) elect(primary int) {
	ps.w.Count("primary changed")
	ps.w.Logf("operator: %s is to be the primary", name(primary))
	ps.change(primary, func(_ int, o *own) { o.primary = primary })
}

func (ps *peers) takeOff(gone int) {
	ps.w.Count("peer taken off the list")
	ps.w.Logf("operator: %s is to go", name(gone))
	ps.change(-1, func(i int, o *own) {
		if i != gone && o.primary != gone {
			o.list = slices.DeleteFunc(o.list, func(e string) bool { return of(e) == gone })
		}
	})
}

func (ps *peers) putBack(back int, fqdn bool) {
	ps.w.Logf("operator: %s is to be in all lists", name(back))
	ps.change(-1, func(_ int, o *own) {
		if o.at(back) < 0 {
			o.list = append(o.list, entry(back, fqdn))
			slices.SortFunc(o.list, func(a, b string) int { return of(a) - of(b) })
		}
	})
}

func (ps *peers) rename(i int) {
	ps.w.Logf("operator: %s gets its other address", name(i))
	ps.change(-1, func(_ int, o *own) {
		if at := o.at(i); at >= 0 {
			o.list[at] = entry(i, o.list[at] == entry(i, false))
		}
	})
}

func (ps *peers) Converged() error {
	first := ps.w.Machines[0].Process.(*node)
	id := first.core.Stored().Cluster
	primary := ps.w.Machines[0].Read("own").(own).primary
	h := ps.histories[id]
	if h == nil || h.leader != primary {
		return fmt.Errorf("%q is not led by %s: %+v", id, name(primary), h)
	}
	for i, m := range ps.w.Machines {
		p := m.Process.(*node)
		if got := p.core.Stored().Cluster; got != id {
			return fmt.Errorf("%s is in %q, %s in %q: %s", p.id, got, first.id, id, p.core.Disagreement())
		}
		if d := p.core.Disagreement(); d != "" {
			return fmt.Errorf("%s: %s", p.id, d)
		}
		if !slices.Contains(h.newest.voters, membership.Voter{ID: p.id, Address: entry(i, true)}) || len(h.newest.voters) != len(ps.w.Machines) {
			return fmt.Errorf("%s: the voters are %v", id, h.newest.voters)
		}
		if len(p.core.Members()) != len(ps.w.Machines)-1 {
			return fmt.Errorf("%s takes %v for members", p.id, p.core.Members())
		}
		if p.revs.Acting() != (i == primary) {
			return fmt.Errorf("%s acts: %t", p.id, p.revs.Acting())
		}
	}
	return nil
}

var errNoAnswer = errors.New("no answer")
