package membership_test

import (
	"fmt"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/sim"
)

// conf is a state of a history: who votes in it, and who was removed.
type conf struct {
	version int // of all that were ever written in the history
	voters  []membership.Voter
	removed []cluster.ID
}

// member is what a machine has on its disk of membership and agreement.
type member struct {
	membership.Stored
	conf conf
	how  membership.How
}

// history is what peers with one id agree on.
type history struct {
	id      string
	version int
	newest  conf // that a majority has
	leader  int  // machine; -1: nobody
	valid   time.Duration
}

// carry notes that a machine has an id, and begins its history where it is the first.
func (ps *peers) carry(p *node, kept member) {
	if kept.Cluster == "" {
		return
	}
	if ps.carried[kept.Cluster] == nil {
		ps.carried[kept.Cluster] = map[int]bool{}
	}
	ps.carried[kept.Cluster][p.m.Index] = true
	if ps.histories[kept.Cluster] == nil && len(kept.conf.voters) > 0 {
		h := &history{id: kept.Cluster, version: kept.conf.version, newest: kept.conf, leader: -1}
		ps.histories[kept.Cluster], ps.begun = h, append(ps.begun, h)
	}
}

// kept is what a machine that takes part in a history has of it.
func (h *history) kept(ps *peers, i int) (member, bool) {
	m := ps.w.Machines[i]
	if !m.Runs() || m.Process.(*node).core.Stored().Cluster != h.id || m.Process.(*node).writing {
		return member{}, false
	}
	k, _ := m.Read("member").(member)
	return k, k.Cluster == h.id
}

// majority says whether a machine, with what it has of the history, gets one.
func (h *history) majority(ps *peers, i int) bool {
	own, ok := h.kept(ps, i)
	if !ok || !slices.ContainsFunc(own.conf.voters, func(v membership.Voter) bool { return index(v.ID) == i }) {
		return false
	}
	n := 0
	for _, v := range own.conf.voters {
		j := index(v.ID)
		other, ok := h.kept(ps, j)
		if ok && other.conf.version <= own.conf.version && (i == j || ps.w.Reaches(i, j) && ps.w.Reaches(j, i)) {
			n++
		}
	}
	return 2*n > len(own.conf.voters)
}

func (h *history) elect(ps *peers) {
	if h.leader >= 0 && h.majority(ps, h.leader) {
		h.valid = ps.w.Now()
		h.spread(ps)
		return
	}
	if ps.w.Now()-h.valid < 2*time.Second {
		return
	}
	h.leader = -1
	for _, i := range ps.w.Rand.Perm(len(ps.w.Machines)) {
		if h.majority(ps, i) {
			h.leader, h.valid = i, ps.w.Now()
			h.spread(ps)
			return
		}
	}
}

// spread gives the voters what the leader has.
func (h *history) spread(ps *peers) {
	own, _ := h.kept(ps, h.leader)
	for _, v := range own.conf.voters {
		j := index(v.ID)
		if k, ok := h.kept(ps, j); ok && (ps.w.Reaches(h.leader, j) && ps.w.Reaches(j, h.leader)) && k.conf.version != own.conf.version {
			k.conf = own.conf
			ps.w.Machines[j].Put("member", k)
		}
	}
	h.newest = own.conf
}

// propose writes a state at the leader. It counts there at once; if no majority of the new voters can have
// it, the leader is none any more.
func (h *history) propose(ps *peers, i int, change func(*conf)) {
	own, ok := h.kept(ps, i)
	if !ok || h.leader != i || !h.majority(ps, i) {
		return
	}
	c := conf{voters: slices.Clone(own.conf.voters), removed: slices.Clone(own.conf.removed)}
	change(&c)
	h.version++
	c.version = h.version
	own.conf = c
	ps.w.Machines[i].Put("member", own)
	h.elect(ps)
}

// node is what runs on a machine.
type node struct {
	ps      *peers
	m       *sim.Machine
	id      cluster.ID
	live    *liveness.Core
	revs    *revisions.Core
	core    *membership.Core
	writing bool
	heard   map[int]bool
	asked   int
	hellos  time.Duration
}

func (p *node) own() own { return p.m.Read("own").(own) }

func (p *node) configure() {
	o := p.own()
	now := p.m.Now()
	decision := o.decision
	if p.ps.broken == impatient {
		decision = 1 << 40 // never settled: see write
	}
	p.step(now, membership.Configured{
		Settings: o.settings(), Own: o.at(p.m.Index), Decision: decision, Reset: p.m.Read("reset").(bool),
	})
	p.revise(now, revisions.Settings{Primary: name(o.primary), Decision: o.decision})
	p.life(now, liveness.List{Addresses: o.list, Own: o.at(p.m.Index)})
}

func (p *node) Tick(now time.Duration) {
	p.life(now, liveness.Tick{})
	p.revise(now, revisions.Tick{})
	if now >= p.hellos {
		p.hellos = now + 500*time.Millisecond
		p.greet()
	}
	p.agreed(now)
	p.ps.ids++
	p.step(now, membership.Tick{Fresh: fmt.Sprintf("id-%d", p.ps.ids)})
}

// agreed says how the agreement stands, as this machine sees it.
func (p *node) agreed(now time.Duration) {
	a := membership.Agreed{Cluster: p.core.Stored().Cluster}
	h := p.ps.histories[a.Cluster]
	if k, ok := p.m.Read("member").(member); ok && h != nil && !p.writing && k.Cluster == a.Cluster {
		a.Voters, a.Removed = k.conf.voters, k.conf.removed
		if h.leader >= 0 && p.ps.w.Now()-h.valid < 2*time.Second && (h.leader == p.m.Index || p.ps.w.Reaches(h.leader, p.m.Index)) {
			a.Leader = name(h.leader)
		}
	}
	p.step(now, a)
}

// hello goes to each entry of the list.
type hello struct{ membership.Hello }

func (p *node) greet() {
	p.ps.said[p.m.Index] = p.core.Stored().Cluster
	for _, e := range p.own().list {
		p.m.Send(of(e), hello{membership.Hello{
			Peer: p.id, Cluster: p.core.Stored().Cluster, Settings: p.own().settings(),
			Rules: membership.Rules{Acting: p.revs.Acting(), Reign: p.revs.Has().Reign},
		}})
	}
}

type asked struct {
	n   int
	ask membership.Ask
}

type answered struct {
	n      int
	answer membership.Answer
}

// Receive takes only what comes from an entry of the list.
func (p *node) Receive(now time.Duration, from int, message any) {
	at := p.own().at(from)
	if at < 0 {
		return
	}
	switch m := message.(type) {
	case hello:
		m.Address = p.own().list[at]
		p.step(now, m.Hello)
		p.step(now, membership.Reachable{Peer: name(from), Is: p.there(name(from))})
	case liveness.Beat:
		p.life(now, liveness.Heard{Address: p.own().list[at], From: name(from), Beat: m})
	case asked:
		p.asked = m.n
		p.step(now, membership.Asked{From: name(from), Ask: m.ask})
	case answered:
		if m.answer.Refused != "" {
			p.ps.w.Count("refused")
		}
		p.step(now, membership.Answered{From: name(from), Answer: m.answer})
	default:
		p.revise(now, revisions.Received{From: name(from), Message: message})
	}
}

func (p *node) there(id cluster.ID) bool {
	s := p.live.State(id)
	return s == liveness.Active || s == liveness.Suspect
}

func (p *node) life(now time.Duration, e liveness.Event) {
	for _, a := range p.live.Step(now, e) {
		switch a := a.(type) {
		case liveness.Send:
			p.m.Send(of(a.Address), a.Beat)
		case liveness.Changed:
			is := a.To == liveness.Active || a.To == liveness.Suspect
			p.revise(now, revisions.Reachable{Peer: a.Peer, Is: is})
			p.step(now, membership.Reachable{Peer: a.Peer, Is: is})
		}
	}
}

func (p *node) revise(now time.Duration, e revisions.Event) {
	for _, a := range p.revs.Step(now, e) {
		switch a := a.(type) {
		case revisions.Send:
			p.m.Send(index(a.To), a.Message)
		case revisions.Write:
			p.m.Write("revision", a.Stored, func() { p.revise(p.m.Now(), revisions.Wrote{Tag: a.Tag}) })
		}
	}
	p.step(now, membership.Rules{Acting: p.revs.Acting(), Reign: p.revs.Has().Reign})
}

func (p *node) step(now time.Duration, e membership.Event) {
	if h, ok := e.(membership.Hello); ok && p.ps.broken == trusting {
		h.Cluster = p.core.Stored().Cluster
		e = h
	}
	for _, a := range p.core.Step(now, e) {
		p.act(now, a)
	}
}

func (p *node) act(now time.Duration, a membership.Action) {
	w := p.ps.w
	switch a := a.(type) {
	case membership.Request:
		p.m.Send(index(a.To), asked{p.m.Starts, a.Ask})
		p.m.After(3*time.Second, func() { p.step(p.m.Now(), membership.Answered{From: a.To, Err: errNoAnswer}) })
	case membership.Reply:
		if s := p.core.Stored(); p.ps.broken == open && s.Cluster != "" {
			a.Answer = membership.Answer{Stored: s}
		}
		p.m.Send(index(a.To), answered{p.asked, a.Answer})
	case membership.Write:
		p.write(a)
	case membership.Members:
		p.members(a.Peers)
		p.revise(now, revisions.Members(a))
	case membership.Add:
		w.Count(map[bool]string{true: "address corrected", false: "added"}[slices.ContainsFunc(p.conf().voters, func(v membership.Voter) bool { return v.ID == a.ID })])
		p.change(func(c *conf) {
			c.voters = slices.DeleteFunc(c.voters, func(v membership.Voter) bool { return v.ID == a.ID })
			c.voters = append(c.voters, a.Voter)
		})
	case membership.Remove:
		w.Count("removed")
		p.change(func(c *conf) { c.removed = append(c.removed, a.Peer) })
		p.change(func(c *conf) {
			c.voters = slices.DeleteFunc(c.voters, func(v membership.Voter) bool { return v.ID == a.Peer })
		})
	case membership.Drop:
		w.Count("dropped")
		p.change(func(c *conf) {
			c.voters = slices.DeleteFunc(c.voters, func(v membership.Voter) bool { return v.ID == a.Peer })
		})
	case membership.Readmit:
		w.Count("readmitted")
		p.change(func(c *conf) {
			c.removed = slices.DeleteFunc(c.removed, func(id cluster.ID) bool { return id == a.Peer })
		})
	case membership.Transfer:
		if h := p.ps.histories[p.core.Stored().Cluster]; h != nil && h.leader == p.m.Index && h.majority(p.ps, index(a.To)) {
			w.Count("transferred")
			h.leader = index(a.To)
		}
	}
}

func (p *node) conf() conf { return p.m.Read("member").(member).conf }

func (p *node) change(do func(*conf)) {
	if h := p.ps.histories[p.core.Stored().Cluster]; h != nil {
		h.propose(p.ps, p.m.Index, do)
	}
}

// members holds who is taken for a member against who ever had the id.
func (p *node) members(ids []cluster.ID) {
	id := p.core.Stored().Cluster
	for _, other := range ids {
		if !p.ps.carried[id][index(other)] && !p.ps.w.Machines[index(other)].Runs() {
			continue // reset while it was away: nobody knows
		}
		if !p.ps.carried[id][index(other)] {
			p.ps.fail("%s takes %s for a member of %s", p.id, other, id)
		}
	}
}

// write makes a step durable.
func (p *node) write(a membership.Write) {
	w := p.ps.w
	before := p.m.Read("member").(member)
	next := member{Stored: a.Stored, conf: before.conf, how: a.How}
	alone := []membership.Voter{{ID: p.id, Address: a.Address}}
	switch a.How {
	case membership.Found:
		w.Count("founded")
		p.ps.founds(p)
		next.conf = conf{version: 1, voters: alone}
	case membership.Recover:
		w.Count("recovered")
		if p.ps.broken == thrifty {
			next.Stored = before.Stored
		}
		p.recovers(before, next)
		next.conf = conf{version: 1, voters: alone, removed: before.conf.removed}
	case membership.Join:
		w.Count(map[bool]string{true: "joined", false: "joined again"}[a.New])
		p.joins(before, next)
		next.conf = conf{}
	case membership.Settle:
		w.Count("settled")
		next.conf = p.conf()
	}
	w.Logf("%s goes from %q to %q (%d)", p.id, before.Cluster, next.Cluster, a.How)
	p.writing = true
	done := func() {
		p.writing = false
		if next.Cluster != "" {
			p.m.Put("reset", false)
		}
		p.ps.carry(p, next)
		stored := next.Stored
		if p.ps.broken == impatient {
			stored.Decision = 0
		}
		p.step(p.m.Now(), membership.Wrote{Stored: stored})
	}
	if p.ps.broken == hasty {
		p.m.After(0, done)
		done = nil
	}
	// Ending one history and preparing another takes its time.
	p.m.After(time.Duration(w.Rand.IntN(1500))*time.Millisecond, func() { p.m.Write("member", next, done) })
}

// recovers holds a new history against what may begin one.
func (p *node) recovers(before, next member) {
	if p.ps.histories[next.Cluster] != nil {
		p.ps.fail("%s begins a history %s that there is already", p.id, next.Cluster)
	}
	o := p.own()
	listed := 0
	for _, v := range before.conf.voters {
		if o.at(index(v.ID)) >= 0 && p.ps.w.Machines[index(v.ID)].Read("member").(member).Cluster == before.Cluster {
			listed++
		}
	}
	if 2*listed > len(before.conf.voters) && o.decision <= before.Decision {
		p.ps.fail("%s begins a new history, and %d of %v are in its list", p.id, listed, before.conf.voters)
	}
}

// joins holds a step into another history against what must not be without a reset.
func (p *node) joins(before, next member) {
	if len(before.Cluster) > 2 && before.Cluster[:3] == "for" && next.Cluster != before.Cluster {
		p.ps.fail("%s comes from another cluster into %s", p.id, next.Cluster)
	}
	if h := p.ps.histories[next.Cluster]; h != nil && before.Cluster != "" && slices.Contains(h.newest.removed, p.id) && next.Cluster != before.Cluster {
		p.ps.w.Count("removed since it was admitted")
	}
}
