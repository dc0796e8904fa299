package sim_test

import (
	"slices"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

// state is what was agreed on in a history, up to one of its versions.
type state struct {
	version int // of all that were ever written in the history
	voters  []membership.Voter
	removed []cluster.ID
	log     []ledger.Entry
}

// table returns what the log comes to.
func (s state) table() *ledger.Table {
	t := ledger.NewTable()
	for _, e := range s.log {
		t.Apply(e)
	}
	return t
}

func (s state) votes(i int) bool {
	return slices.ContainsFunc(s.voters, func(v membership.Voter) bool { return index(v.ID) == i })
}

// belonging is what a machine has on its disk of membership and agreement.
type belonging struct {
	membership.Stored
	state state
}

// history is an agreement as hashicorp/raft gives it, of the peers that carry one id: a leader that a majority confirms,
// states that a majority has. What is only written at a leader may be lost or come true later.
type history struct {
	id      string
	version int
	newest  state // that a majority has
	leader  int   // machine; -1: nobody
	term    uint64
	valid   time.Duration // when a majority confirmed it last
	table   *ledger.Table // of newest
}

// kept is what a machine that takes part in the history has of it.
func (h *history) kept(n *nodes, i int) (belonging, bool) {
	m := n.w.Machines[i]
	if !m.Runs() {
		return belonging{}, false
	}
	p := m.Process.(*node)
	b := p.belonging()
	return b, b.Cluster == h.id && p.membership.Stored().Cluster == h.id && !p.stepping
}

func (n *nodes) linked(i, j int) bool { return n.w.Reaches(i, j) && n.w.Reaches(j, i) }

// majority says whether a machine, with what it has of the history, gets one.
func (h *history) majority(n *nodes, i int) bool {
	own, ok := h.kept(n, i)
	if !ok || !own.state.votes(i) {
		return false
	}
	votes := 0
	for _, v := range own.state.voters {
		j := index(v.ID)
		other, ok := h.kept(n, j)
		if ok && other.state.version <= own.state.version && n.linked(i, j) {
			votes++
		}
	}
	return 2*votes > len(own.state.voters)
}

// elect keeps the leader while it has a majority, and takes another some time after it has not.
func (h *history) elect(n *nodes) {
	if h.leader >= 0 && h.majority(n, h.leader) {
		h.valid = n.w.Now()
		h.spread(n)
		return
	}
	if n.w.Now()-h.valid < 1500*time.Millisecond {
		return
	}
	h.leader = -1
	for _, i := range n.w.Rand.Perm(len(n.w.Machines)) {
		if h.majority(n, i) {
			h.lead(n, i)
			return
		}
	}
}

func (h *history) lead(n *nodes, i int) {
	h.leader, h.valid = i, n.w.Now()
	h.term++
	n.w.Count("leader changed")
	n.w.Logf("%s leads %s", name(i), h.id)
	h.spread(n)
}

// spread gives the others what the leader has. What a majority has is agreed.
func (h *history) spread(n *nodes) {
	own, _ := h.kept(n, h.leader)
	for j, m := range n.w.Machines {
		if b, ok := h.kept(n, j); ok && n.linked(h.leader, j) && b.state.version != own.state.version {
			b.state = own.state
			m.Put("belonging", b)
		}
	}
	if own.state.version == h.newest.version {
		return
	}
	if len(own.state.log) < len(h.newest.log) {
		n.fail("%s: %d entries were agreed, and %s leads with %d", h.id, len(h.newest.log), name(h.leader), len(own.state.log))
	}
	h.newest, h.table = own.state, own.state.table()
}

// propose writes a state at the leader; it is agreed if a majority of the voters in it can have it.
func (h *history) propose(n *nodes, i int, change func(*state)) bool {
	own, ok := h.kept(n, i)
	if !ok || h.leader != i || !h.majority(n, i) {
		return false
	}
	s := own.state
	s.voters, s.removed, s.log = slices.Clone(s.voters), slices.Clone(s.removed), slices.Clone(s.log)
	change(&s)
	h.version++
	s.version = h.version
	own.state = s
	n.w.Machines[i].Put("belonging", own)
	h.elect(n)
	return true
}

// agreed says how the agreement stands, as a machine sees it.
func (h *history) agreed(n *nodes, i int) membership.Agreed {
	a := membership.Agreed{}
	if h == nil {
		return a
	}
	b, ok := h.kept(n, i)
	if !ok {
		return a
	}
	a.Cluster, a.Voters, a.Removed = h.id, b.state.voters, b.state.removed
	if h.leader >= 0 && n.w.Now()-h.valid < 2*time.Second && n.linked(h.leader, i) {
		a.Leader = name(h.leader)
	}
	return a
}
