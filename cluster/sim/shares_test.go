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
	mixed  = ledger.Resource("mixed") // by a policy that changes
	pipe   = ledger.Resource("pipe")  // held for the media of the lost
	bring  = 7                        // of loose, by each node
)

var shared = []ledger.Resource{strict, loose, mixed, pipe}

// total is what the ledger has to share out, when the pool has so much.
func (n *nodes) total(of pool.Amounts) map[ledger.Resource]ledger.Total {
	return map[ledger.Resource]ledger.Total{
		strict: {Amount: 20, Policy: ledger.Strict}, loose: {Amount: of[loose], Policy: ledger.Available},
		mixed: {Amount: 20, Policy: n.policy}, pipe: {Amount: 20, Policy: ledger.Available, Hold: 6 * time.Second},
	}
}

// turn changes the policy of mixed; not all hear of it at once.
func (n *nodes) turn() {
	n.w.Count("policy changed")
	n.policy = 1 - n.policy
	for _, m := range n.w.Machines {
		if p, ok := m.Process.(*node); ok {
			m.After(time.Duration(n.w.Rand.IntN(3000))*time.Millisecond, func() { p.count(m.Now(), ledger.Totals{Of: n.total(p.totals)}) })
		}
	}
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
		if !p.free[a.Resource] { // what it holds of it is told there; strict is told for itself, and needs no lease
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

// usage is what may be used of a resource by one table.
type usage struct {
	counting
	of ledger.Resource
}

// shares holds what may be used against what there is.
func (n *nodes) shares() error {
	var used uint64
	usable := map[usage]uint64{}
	for _, m := range n.w.Machines {
		use, _ := m.Read("use").(map[ledger.Resource]uint32)
		used += uint64(use[strict])
		p, ok := m.Process.(*node)
		if !ok {
			continue
		}
		if t := p.ledger.Provisional(); t != nil {
			h, _ := p.ledger.Aside()
			n.aside[counting{p.cluster(), h}] = t
		}
		if err := n.uses(p, usable); err != nil {
			return err
		}
	}
	if used > 20 && !n.branched {
		return fmt.Errorf("%d of 20 strict are in use", used)
	}
	for u, amount := range usable {
		if err := n.within(u.counting, u.of, amount); err != nil {
			return err
		}
	}
	return nil
}

// uses adds what a node may use, by which table. Without a lease that is only what stands in the agreed one.
func (n *nodes) uses(p *node, usable map[usage]uint64) error {
	for _, r := range shared {
		if p.use[r] > p.ceiling[r] {
			return fmt.Errorf("%s uses %d of %s, its ceiling is %d", p.id, p.use[r], r, p.ceiling[r])
		}
		switch h := n.histories[p.cluster()]; {
		case p.free[r] && h != nil:
			n.w.Count("used without a lease")
			if g := h.table.Grants[p.id][r]; !g.Freed && (g.Amount < p.ceiling[r] || g.Leased) && !p.stepping {
				return fmt.Errorf("%s may use %d of %s without a lease, agreed in %s is %+v", p.id, p.ceiling[r], r, h.id, g)
			}
		case p.leased():
			usable[usage{counting{p.leasedBy, p.leasedIn}, r}] += uint64(p.ceiling[r])
		}
	}
	return nil
}

func (n *nodes) within(c counting, r ledger.Resource, usable uint64) error {
	var t *ledger.Table
	if c.in != (ledger.History{}) {
		t = n.aside[c]
	} else if h := n.histories[c.cluster]; h != nil {
		t = h.table
	}
	if t == nil {
		return fmt.Errorf("a lease in %v, of which there is no table", c)
	}
	if _, there := t.Totals[r]; !there && c.in != (ledger.History{}) {
		return nil // nothing of it is given there
	}
	granted, total := t.Granted(r), uint64(t.Totals[r].Amount)
	if granted > total {
		n.w.Count("over the total")
	}
	if granted <= total && usable > total {
		return fmt.Errorf("%d of %d %s may be used in %v, %d are granted", usable, total, r, c, granted)
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
