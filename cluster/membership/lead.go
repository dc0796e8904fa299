package membership

import (
	"slices"
	"strings"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// leads says whether this node leads the history that it carries.
func (c *Core) leads() bool {
	return c.agreed.Leader == c.cfg.Self && c.agreed.Cluster == c.stored.Cluster && c.writing == nil
}

// lead makes one change of the voters after the other, and lets the primary lead when nothing is to
// be changed.
func (c *Core) lead() {
	if !c.leads() || c.own.Own < 0 {
		return
	}
	next := c.next()
	if next == nil {
		c.change = change{}
		return
	}
	again := 0
	if next == c.change.action {
		if c.now < c.change.until {
			return
		}
		again = c.change.again + 1
	}
	c.change = change{next, c.now + patienceWith(next, again), again}
	c.do(next)
}

// patienceWith is how long a change may take until it is tried again. While the leadership is handed over nothing is agreed, so that a
// peer that cannot take it, because its disk is full, is asked less and less.
func patienceWith(a Action, again int) time.Duration {
	if _, ok := a.(Transfer); ok {
		return changeTime << min(again, 2)
	}
	return changeTime
}

// next is the next change; nil: there is none.
func (c *Core) next() Action {
	for _, v := range c.agreed.Voters {
		switch {
		case slices.Contains(c.agreed.Removed, v.ID) && v.ID != c.cfg.Self, c.gone(v) && !c.unknown():
			return Remove{v.ID}
		case c.gone(v), c.lost(v):
			return Drop{v.ID} // one that is only away may stand at the entry that nobody answers at
		}
	}
	if own := (Voter{c.cfg.Self, c.own.Settings.Peers[c.own.Own]}); c.addressed(own) {
		return Add{own}
	}
	for _, id := range c.known() {
		if p := c.peers[id]; p.reachable && c.joined(id) {
			if v := (Voter{id, p.Address}); !slices.Contains(c.agreed.Voters, v) {
				return Add{v}
			}
		}
	}
	if to := c.acting(); to != "" && to != c.cfg.Self && c.votes(to) {
		return Transfer{to}
	}
	return nil
}

// addressed says whether a voter stands at another entry now.
func (c *Core) addressed(v Voter) bool { return c.votes(v.ID) && !slices.Contains(c.agreed.Voters, v) }

func (c *Core) votes(id cluster.ID) bool {
	return slices.ContainsFunc(c.agreed.Voters, func(v Voter) bool { return v.ID == id })
}

// acting is who reigns among the members that are there.
func (c *Core) acting() cluster.ID {
	if c.rules.Acting {
		return c.cfg.Self
	}
	var best cluster.ID
	for _, id := range c.known() {
		p := c.peers[id]
		if p.reachable && p.Rules.Acting && c.joined(id) &&
			(best == "" || p.Rules.Reign.Compare(c.peers[best].Rules.Reign) > 0) {
			best = id
		}
	}
	return best
}

// joined says whether a peer that was heard carries this node's id, stands in the list and was not removed.
func (c *Core) joined(id cluster.ID) bool {
	return c.stored.Cluster != "" && c.peers[id].Cluster == c.stored.Cluster && c.at(id) && !slices.Contains(c.agreed.Removed, id)
}

// gone says whether a voter is not in the list any more.
func (c *Core) gone(v Voter) bool {
	if v.ID == c.cfg.Self || c.at(v.ID) {
		delete(c.away, v.ID)
		return false
	}
	if who := c.entries[strings.ToLower(v.Address)]; c.listed(v.Address) && who == "" && !c.isOwn(v.Address) {
		delete(c.away, v.ID)
		return false // it was not heard yet
	}
	since, ok := c.away[v.ID]
	if !ok {
		since = c.now
		c.away[v.ID] = since
	}
	return !c.unknown() || c.now-since >= patience
}

// lost says whether a voter does not carry the id any more, and so has nothing of what was agreed.
func (c *Core) lost(v Voter) bool {
	p := c.peers[v.ID]
	return p != nil && c.at(v.ID) && p.Cluster != c.stored.Cluster
}

func (c *Core) isOwn(address string) bool {
	return strings.EqualFold(address, c.own.Settings.Peers[c.own.Own])
}

// tell says who has properly joined, when it is somebody else than before.
func (c *Core) tell() {
	now := c.Members()
	if !slices.Equal(now, c.members) {
		c.members = now
		c.do(Members{slices.Clone(now)})
	}
}

// Members are the other peers that have properly joined (CL-02): who carries the same id, and voters that
// were not heard since this process runs.
func (c *Core) Members() []cluster.ID {
	if c.stored.Cluster == "" || c.own == nil || c.own.Own < 0 {
		return nil
	}
	var out []cluster.ID
	for _, id := range c.known() {
		if c.joined(id) {
			out = append(out, id)
		}
	}
	if c.agreed.Cluster == c.stored.Cluster {
		for _, v := range c.agreed.Voters {
			if v.ID != c.cfg.Self && c.peers[v.ID] == nil && !c.gone(v) && !slices.Contains(c.agreed.Removed, v.ID) {
				out = append(out, v.ID)
			}
		}
	}
	slices.Sort(out)
	return out
}
