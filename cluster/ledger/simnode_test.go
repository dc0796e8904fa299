package ledger_test

import (
	"maps"
	"math"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/sim"
)

// node is what runs on a machine: the core and the counters of an admission.
type node struct {
	s       *shares
	m       *sim.Machine
	id      cluster.ID
	core    *ledger.Core
	totals  map[ledger.Resource]ledger.Total // of its configuration
	use     map[ledger.Resource]uint32
	ceiling map[ledger.Resource]uint32
	lease   time.Duration
	free    map[ledger.Resource]bool   // used without a lease
	waits   map[ledger.Resource]uint32 // calls that wait, at the end
	said    map[ledger.Resource]bool   // of a forgetful one: it has said what it uses
	known   map[cluster.ID]cluster.Incarnation
	// leasedIn is the table of which it has a lease.
	leasedIn ledger.History
	live     *liveness.Core
	all      []cluster.ID
	here     []cluster.ID
	index    int // of the log
	term     uint64
	nodded   map[cluster.ID][]ledger.Spent // all that was answered ever
}

func (p *node) leased() bool { return p.s.broken == unleased || p.served() }

// served says whether its lease runs.
func (p *node) served() bool { return p.m.Now() < p.lease }

// offer tells what there is by the configuration.
func (p *node) offer() {
	p.totals = p.s.totals
	if t := p.totals[mixed]; p.s.broken == early && t.Policy == ledger.Strict {
		p.free[mixed] = true
	}
	p.step(p.m.Now(), ledger.Totals{Of: p.totals})
}

// call admits a call, or says what was short. What is not limited is used all the same.
func (p *node) call(r ledger.Resource, n uint32) {
	_, limited := p.totals[r]
	switch {
	case !limited:
		p.s.w.Count("used before it was limited")
	case p.use[r]+n > p.ceiling[r]:
		p.step(p.m.Now(), ledger.Short{Resource: r, N: p.use[r] + n - p.ceiling[r]})
		return
	case p.free[r]:
		p.s.w.Count("used without a lease")
	case !p.leased():
		p.s.w.Count("lease over")
		return
	}
	p.use[r] += n
	p.m.Put("use", maps.Clone(p.use))
}

// wait takes so much, now or when it is there.
func (p *node) wait(r ledger.Resource, n uint32) {
	p.waits[r] = n
	p.again(r)
}

// again tries again what waits, and says what is short.
func (p *node) again(r ledger.Resource) {
	p.admit(r)
	if n := p.waits[r]; n > 0 && p.use[r]+n > p.ceiling[r] {
		p.step(p.m.Now(), ledger.Short{Resource: r, N: p.use[r] + n - p.ceiling[r]})
	}
}

func (p *node) wake() {
	for _, r := range slices.Sorted(maps.Keys(p.waits)) {
		p.again(r)
	}
}

func (p *node) admit(r ledger.Resource) {
	if n := p.waits[r]; n > 0 && p.use[r]+n <= p.ceiling[r] && (p.free[r] || p.leased()) {
		p.use[r] += n
		p.waits[r] = 0
		p.m.Put("use", maps.Clone(p.use))
	}
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
		p.heard(now, name(from), m)
		p.nods(name(from), &m)
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

// heard is what a leader does that takes a new process as proof that nothing is left of the one before.
func (p *node) heard(now time.Duration, from cluster.ID, b ledger.Beat) {
	if p.s.broken != believing || !p.core.Leading(now) {
		return
	}
	if p.known[from] < b.Incarnation {
		p.known[from] = b.Incarnation
		p.propose(ledger.Entry{Peer: from, Incarnation: b.Incarnation, Free: true, All: true})
	}
}

// nods is what a leader does that takes answers to old recalls for those to new ones.
func (p *node) nods(from cluster.ID, b *ledger.Beat) {
	if p.s.broken != nodding {
		return
	}
	p.nodded[from] = append(p.nodded[from], b.Spent...)
	b.Spent, b.Term = nil, p.term
	for _, s := range p.nodded[from] {
		s.Recall = math.MaxUint64
		b.Spent = append(b.Spent, s)
	}
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
		p.rule(a)
	case ledger.Raise:
		p.raise(a)
	case ledger.Lower:
		p.lower(a)
	case ledger.Lease:
		if now > p.lease {
			w.Logf("%s has a lease, %v", p.id, p.ceiling)
		}
		ran := p.leased()
		p.lease = max(p.lease, a.Until)
		p.leasedIn, _ = p.core.Aside()
		if !ran {
			p.m.After(0, p.wake)
		}
	case ledger.Denied:
		w.Count("denied")
		p.s.denied(p, a.Resource)
	}
}

func (p *node) rule(a ledger.Leased) {
	if a.Leased && p.free[a.Resource] {
		p.s.w.Count("under a lease again")
		if p.s.broken == deaf {
			return
		}
	}
	p.s.w.Logf("%s uses %s under a lease: %t", p.id, a.Resource, a.Leased)
	p.free[a.Resource] = !a.Leased
	p.m.After(0, p.wake)
}

func (p *node) raise(a ledger.Raise) {
	w := p.s.w
	w.Logf("%s may use %d of %s", p.id, a.To, a.Resource)
	w.Count("granted")
	if _, aside := p.core.Aside(); aside {
		w.Count("granted aside")
	}
	p.ceiling[a.Resource] = a.To
	p.admit(a.Resource)
}

func (p *node) lower(a ledger.Lower) {
	r, to := a.Resource, max(a.To, p.use[a.Resource])
	p.s.w.Logf("%s lowers %s from %d to %d", p.id, r, p.ceiling[r], to)
	switch p.s.broken {
	case forgetful:
		if p.ceiling[r] == p.use[r] && !p.said[r] {
			to = a.To
		} else {
			p.ceiling[r] = to
		}
		p.said[r] = true
	case generous:
		p.m.After(2*time.Second, func() { p.ceiling[r] = max(p.use[r], min(to, p.ceiling[r])) })
	default:
		p.ceiling[r] = to
	}
	p.m.After(0, func() { p.step(p.m.Now(), ledger.Lowered{Resource: r, To: to}) })
}

// propose is agreed on some time later, if the leader still leads then.
func (p *node) propose(e ledger.Entry) {
	s, term := p.s, p.term
	if s.broken == quick && e.Free {
		e.Hold = time.Hour
	}
	if s.broken == hasty {
		p.m.After(0, func() { p.step(p.m.Now(), ledger.Applied{Entry: e}) })
	}
	s.w.After(time.Duration(s.w.Rand.IntN(200))*time.Millisecond, func() { s.agree(p, term, e) })
}
