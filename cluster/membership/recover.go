package membership

import "slices"

// recover begins a new history with this node alone, where the one that is cannot agree on anything any more:
// too few of its voters are in the list and have what was agreed, or the operator has made this node the primary while
// too few of them are there. His word is what frees the others' part in it (CL-12, CL-13). It counts too where enough seem to
// be there and yet nobody leads: another may have seen a voter added that this node has not, and whose log is lost since.
// Then neither can lead, this one because the other knows more, and that one because too few are left.
func (c *Core) recover() {
	if c.stored.Cluster == "" || !c.rules.Acting || c.agreed.Cluster != c.stored.Cluster ||
		c.leaderless == 0 || c.now-c.leaderless < recoverAfter || c.now-c.decided < recoverAfter {
		return
	}
	there, listed := 0, 0
	for _, v := range c.agreed.Voters {
		if c.there(v) {
			there++
		}
		if !c.gone(v) && !c.lost(v) {
			listed++
		}
	}
	enough := func(n int) bool { return 2*n > len(c.agreed.Voters) && c.votes(c.cfg.Self) }
	decided := c.own.Decision > c.stored.Decision
	stuck := decided && c.now-c.leaderless >= stuckAfter
	if enough(there) && !stuck || enough(listed) && !decided || len(c.agreed.Voters) == 0 && !decided {
		return
	}
	if id, ok := c.mint(); ok {
		c.write(Write{Stored: Stored{id, after(id, c.stored.IDs()), c.own.Decision}, How: Recover})
	}
}

// there says whether a voter answers, and carries the same id.
func (c *Core) there(v Voter) bool {
	p := c.peers[v.ID]
	return v.ID == c.cfg.Self || p != nil && p.reachable && p.Cluster == c.stored.Cluster
}

// settle notes that a decision of the operator's about the primary needs no new history: the peers agree.
func (c *Core) settle() {
	if c.stored.Cluster == "" || c.own.Decision <= c.stored.Decision || c.led == 0 || c.now-max(c.led, c.decided) < settleAfter {
		return
	}
	if p := c.peers[c.agreed.Leader]; c.agreed.Leader != c.cfg.Self && (p == nil || !p.reachable) {
		return
	}
	s := c.stored
	s.Decision = c.own.Decision
	c.write(Write{Stored: s, How: Settle})
}

// Disagreement says what is in the way of this node's membership; empty: nothing (alarm 20024).
func (c *Core) Disagreement() string {
	switch {
	case c.failed != nil:
		return "this node cannot write which cluster it belongs to: " + c.failed.Error()
	case slices.Contains(c.agreed.Removed, c.cfg.Self):
		return "this node was removed from the cluster: reset it"
	}
	for _, id := range c.agreed.Removed {
		if p := c.peers[id]; p != nil && c.at(id) && p.Cluster == c.stored.Cluster {
			return p.Address + " was removed from the cluster and is in cluster.peers again: reset it"
		}
	}
	return c.refused
}
