package sim_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/pool"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

const (
	strict = ledger.Resource("strict")
	loose  = ledger.Resource("available")
	bring  = 7 // of loose, by each node
)

// total is what the ledger has to share out, when the pool has so much.
func (n *nodes) total(of pool.Amounts) map[ledger.Resource]ledger.Total {
	return map[ledger.Resource]ledger.Total{strict: {Amount: 20, Policy: ledger.Strict}, loose: {Amount: of[loose], Policy: ledger.Available}}
}

func (p *node) leased() bool { return p.m.Now() < p.lease }

// call admits a call from this node's own counters, or says what was short.
func (p *node) call(r ledger.Resource, n uint32) {
	if !p.free[r] && !p.leased() {
		p.n.w.Count("lease over")
		return
	}
	if p.use[r]+n > p.ceiling[r] {
		p.count(p.m.Now(), ledger.Short{Resource: r, N: n + 2})
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

func (p *node) count(now time.Duration, e ledger.Event) {
	was, _ := p.ledger.Aside()
	for _, a := range p.ledger.Step(now, e) {
		p.share(now, a)
	}
	switch is, aside := p.ledger.Aside(); {
	case is != was && aside:
		p.n.w.Count("counts aside")
		p.n.w.Logf("%s counts in %v", p.id, is)
	case is != was:
		p.n.w.Count("comes back")
	}
}

func (p *node) share(now time.Duration, a ledger.Action) {
	switch a := a.(type) {
	case ledger.Send:
		if a.To == p.id {
			p.m.After(0, func() { p.count(p.m.Now(), ledger.Received{From: p.id, Message: a.Message}) })
			return
		}
		if _, ok := a.Message.(ledger.Recall); ok {
			p.n.w.Count("recalled")
		}
		p.m.Send(index(a.To), a.Message)
	case ledger.Propose:
		p.suggest(a.Entry)
	case ledger.Leased:
		p.free[a.Resource] = !a.Leased
	case ledger.Raise:
		p.n.w.Count("granted")
		if _, aside := p.ledger.Aside(); aside {
			p.n.w.Count("granted aside")
		}
		p.ceiling[a.Resource] = a.To
		if a.Resource == loose { // what it holds of it is told there; strict is told for itself, and needs no lease
			p.leasedIn, _ = p.ledger.Aside()
			p.leasedBy = p.cluster()
		}
	case ledger.Lower:
		to := max(a.To, p.use[a.Resource])
		p.ceiling[a.Resource] = to
		p.m.After(0, func() { p.count(p.m.Now(), ledger.Lowered{Resource: a.Resource, To: to}) })
	case ledger.Lease:
		p.lease = max(p.lease, a.Until)
		p.leasedIn, _ = p.ledger.Aside()
		p.leasedBy = p.cluster()
	case ledger.Denied:
		p.n.w.Count("denied")
	}
}

// suggest is agreed on some time later, if the leader leads then. It waits for a majority for as long as the
// term lasts: a proposal that fails ends it.
func (p *node) suggest(e ledger.Entry) {
	h := p.n.histories[p.cluster()]
	if h == nil {
		return
	}
	term := h.term
	var try func()
	try = func() {
		switch {
		case h.leader != p.m.Index || h.term != term:
			p.n.w.Count("proposal lost")
		case !h.propose(p.n, p.m.Index, func(s *state) { s.log = append(s.log, e) }):
			p.n.w.After(100*time.Millisecond, try)
		case e.Free:
			p.n.w.Count("freed")
			p.n.branched = p.n.branched || e.All // whoever was taken off the list may still have calls
			p.n.w.Logf("%s is freed in %s", e.Peer, h.id)
		}
	}
	p.n.w.After(time.Duration(p.n.w.Rand.IntN(150))*time.Millisecond, try)
}

// counting is one table of ceilings: of a history, or of a provisional ledger in it.
type counting struct {
	cluster string
	in      ledger.History
}

// shares holds what may be used against what there is.
func (n *nodes) shares() error {
	var used uint64
	usable := map[counting]uint64{}
	for _, m := range n.w.Machines {
		use, _ := m.Read("use").(map[ledger.Resource]uint32)
		used += uint64(use[strict])
		p, ok := m.Process.(*node)
		if !ok {
			continue
		}
		if p.use[strict] > p.ceiling[strict] {
			return fmt.Errorf("%s uses %d of strict, its ceiling is %d", p.id, p.use[strict], p.ceiling[strict])
		}
		if t := p.ledger.Provisional(); t != nil {
			h, _ := p.ledger.Aside()
			n.aside[counting{p.cluster(), h}] = t
		}
		if p.leased() {
			usable[counting{p.leasedBy, p.leasedIn}] += uint64(p.ceiling[loose])
		}
	}
	if used > 20 && !n.branched {
		return fmt.Errorf("%d of 20 strict are in use", used)
	}
	for c, amount := range usable {
		if err := n.within(c, amount); err != nil {
			return err
		}
	}
	return nil
}

func (n *nodes) within(c counting, usable uint64) error {
	var t *ledger.Table
	if c.in != (ledger.History{}) {
		t = n.aside[c]
	} else if h := n.histories[c.cluster]; h != nil {
		t = h.table
	}
	if t == nil {
		return fmt.Errorf("a lease in %v, of which there is no table", c)
	}
	granted, total := t.Granted(loose), uint64(t.Totals[loose].Amount)
	if granted > total {
		n.w.Count("over the total")
	}
	if granted <= total && usable > total {
		return fmt.Errorf("%d of %d available may be used in %v, %d are granted", usable, total, c, granted)
	}
	return nil
}

// belong runs the core of membership.
func (p *node) belong(now time.Duration, e membership.Event) {
	for _, a := range p.membership.Step(now, e) {
		p.act(now, a)
	}
}

var errNoAnswer = errors.New("no answer")

func (p *node) act(now time.Duration, a membership.Action) {
	w := p.n.w
	switch a := a.(type) {
	case membership.Request:
		p.m.Send(index(a.To), asking{p.m.Starts, a.Ask})
		p.m.After(3*time.Second, func() { p.belong(p.m.Now(), membership.Answered{From: a.To, Err: errNoAnswer}) })
	case membership.Reply:
		p.m.Send(index(a.To), answering{p.asked, a.Answer})
	case membership.Write:
		p.write(a)
	case membership.Members:
		p.members(now, a.Peers)
	case membership.Add:
		p.vote(func(s *state) {
			s.voters = append(without(s.voters, a.ID), a.Voter)
		})
	case membership.Remove:
		w.Count("removed")
		p.vote(func(s *state) { s.removed = append(s.removed, a.Peer) })
		p.vote(func(s *state) { s.voters = without(s.voters, a.Peer) })
	case membership.Drop:
		w.Count("dropped")
		p.vote(func(s *state) { s.voters = without(s.voters, a.Peer) })
	case membership.Readmit:
		w.Count("readmitted")
		p.vote(func(s *state) {
			s.removed = slices.DeleteFunc(s.removed, func(id cluster.ID) bool { return id == a.Peer })
		})
	case membership.Transfer:
		if h := p.n.histories[p.cluster()]; h != nil && h.leader == p.m.Index && h.majority(p.n, index(a.To)) {
			w.Count("transferred")
			h.lead(p.n, index(a.To))
		}
	}
}

func without(voters []membership.Voter, id cluster.ID) []membership.Voter {
	return slices.DeleteFunc(voters, func(v membership.Voter) bool { return v.ID == id })
}

func (p *node) vote(change func(*state)) {
	if h := p.n.histories[p.cluster()]; h != nil {
		h.propose(p.n, p.m.Index, change)
	}
}

// members tells the cores who has properly joined.
func (p *node) members(now time.Duration, ids []cluster.ID) {
	p.with = ids
	for _, id := range ids {
		if !p.n.carried[p.cluster()][index(id)] && p.n.w.Machines[index(id)].Runs() && p.n.broken != strange {
			p.n.fail("%s takes %s for a member of %s", p.id, id, p.cluster())
		}
	}
	p.row(now, rows.Members{Peers: ids})
	p.revise(now, revisions.Members{Peers: ids})
	p.count(now, ledger.Members{Peers: append(slices.Clone(ids), p.id)})
	for _, id := range ids {
		p.reach(now, id)
	}
	p.tellHere(now)
}

// write makes a step of membership durable.
func (p *node) write(a membership.Write) {
	before := p.belonging()
	next := belonging{Stored: a.Stored, state: before.state}
	alone := []membership.Voter{{ID: p.id, Address: a.Address}}
	switch a.How {
	case membership.Found:
		p.n.w.Count("founded")
		next.state = state{version: 1, voters: alone}
	case membership.Recover:
		p.n.w.Count("recovered")
		p.n.branched = true // the operator's word frees what others have
		next.state = state{version: 1, voters: alone, removed: before.state.removed, log: before.state.log}
	case membership.Join:
		p.n.w.Count(map[bool]string{true: "joined", false: "joined again"}[a.New])
		next.state = state{}
	}
	p.n.w.Logf("%s goes from %q to %q (%d)", p.id, before.Cluster, next.Cluster, a.How)
	p.stepping = true
	p.m.After(time.Duration(p.n.w.Rand.IntN(1000))*time.Millisecond, func() {
		if a.How == membership.Settle {
			next.state = p.belonging().state
		}
		p.m.Write("belonging", next, func() { p.stepped(a, next) })
	})
}

func (p *node) stepped(a membership.Write, next belonging) {
	p.stepping = false
	p.m.Put("reset", false)
	p.n.carry(p.m.Index, next)
	now := p.m.Now()
	if a.How != membership.Settle && p.n.broken != lasting {
		p.index = len(next.state.log)
		p.count(now, ledger.Anew{Cluster: next.Cluster, Table: next.state.table()})
	}
	p.belong(now, membership.Wrote{Stored: next.Stored})
}
