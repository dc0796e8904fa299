package membership

import (
	"slices"
	"strings"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/settings"
)

// found begins a cluster: with the node that names itself as the primary, and no cluster that it should join
// instead (CL-02). Whose hello comes lists this node, so that whatever else differs in its list it is no stranger: a
// second history beside its own would part the peers for good.
func (c *Core) found() {
	if c.stored.Cluster != "" || c.primary() != c.cfg.Self {
		return
	}
	c.refused = ""
	for _, id := range c.known() {
		if p := c.peers[id]; c.at(id) && p.Cluster != "" {
			c.refused = p.Address + " is in a cluster without this node: make a member of it the primary, on all peers"
			return
		}
	}
	if c.unknown() && c.now < c.wait || len(c.own.Settings.Peers) > 1 && c.now < c.listen {
		return
	}
	if id, ok := c.mint(); ok {
		c.write(Write{Stored: Stored{id, after(id, c.stored.IDs()), c.own.Decision}, How: Found})
	}
}

// join asks for the way into the cluster of the primary that acts.
func (c *Core) join() {
	to := c.target()
	if to == "" {
		if c.primary() != c.cfg.Self || c.stored.Cluster != "" {
			c.refused = ""
		}
		return
	}
	if c.writing != nil || c.now < c.nextAsk {
		return
	}
	c.asking, c.nextAsk = to, c.now+askLater
	c.do(Request{to, Ask{Had: c.stored.IDs(), Reset: c.own.Reset, Settings: c.own.Settings}})
}

// target is who reigns in another history than this node's: the primary that its settings name, or whoever
// reigns later than what is known here. A node that does not reign itself goes where its settings say also if it has seen
// a later reign: two sides of which each made its own primary would else stay apart when all name one.
func (c *Core) target() cluster.ID {
	var best cluster.ID
	for _, id := range c.known() {
		p := c.peers[id]
		if !p.reachable || !c.at(id) || !p.Rules.Acting || p.Cluster == "" || p.Cluster == c.stored.Cluster || !c.speaks(p.Settings) {
			continue
		}
		later := p.Rules.Reign.Compare(c.rules.Reign)
		named := c.primary() == id
		if c.stored.Cluster == "" && !named || c.stored.Cluster != "" && later <= 0 && (!named || later < 0 && c.rules.Acting) {
			continue
		}
		if best == "" || p.Rules.Reign.Compare(c.peers[best].Rules.Reign) > 0 {
			best = id
		}
	}
	return best
}

func (c *Core) answered(e Answered) {
	if e.From != c.asking {
		return
	}
	c.asking = ""
	a := e.Answer
	switch {
	case e.Err != nil || a.Again:
		c.nextAsk, c.refused = c.now+askAgain, a.Refused
	case a.Cluster == "":
		c.nextAsk, c.refused = c.now+askLater, a.Refused
	case c.own != nil && c.own.Own >= 0 && c.target() == e.From:
		c.write(Write{
			Stored: Stored{a.Cluster, after(a.Cluster, a.Earlier, c.stored.IDs()), c.own.Decision},
			How:    Join, New: len(c.stored.IDs()) == 0,
		})
	}
}

// answer says whether a node that asks is admitted. Only who leads knows for certain who votes and who was
// removed.
func (c *Core) answer(from cluster.ID, ask Ask) Answer {
	switch {
	case c.own == nil || !c.rules.Acting || c.stored.Cluster == "" || c.writing != nil:
		return Answer{Again: true, Refused: "the primary is not ready yet"}
	case !c.at(from):
		return Answer{Refused: "the primary does not list this node: add it to cluster.peers there"}
	case !c.speaks(ask.Settings):
		return Answer{Refused: "the primary speaks another version of the protocol: see docs/cluster.md, upgrade"}
	case !c.leads():
		return Answer{Again: true, Refused: "no majority of the peers agrees with the primary now"}
	case slices.Contains(c.agreed.Removed, from):
		return c.readmit(from, ask)
	case c.votes(from):
		return Answer{Again: true, Refused: "the peers have to agree that this node comes anew"}
	case c.stored.knows(ask.Had):
		return Answer{Stored: Stored{Cluster: c.stored.Cluster, Earlier: c.stored.Earlier}}
	}
	return c.newcomer(ask)
}

// newcomer says whether a node may join that was never a member.
func (c *Core) newcomer(ask Ask) Answer {
	switch {
	case len(ask.Had) > 0:
		return Answer{Refused: "this node belongs to another cluster: reset it first"}
	case !ask.Reset:
		return Answer{Refused: "this node holds a configuration of its own: reset it first"}
	}
	if differ := settings.Compare(c.own.Settings, ask.Settings); len(differ) > 0 {
		var items []string
		for _, d := range differ {
			items = append(items, d.Item+" is "+d.Theirs+" here and "+d.Own+" on the primary")
		}
		return Answer{Refused: strings.Join(items, "; ")}
	}
	return Answer{Stored: Stored{Cluster: c.stored.Cluster, Earlier: c.stored.Earlier}}
}

// readmit lets a node that was removed come back as a new one.
func (c *Core) readmit(from cluster.ID, ask Ask) Answer {
	if len(ask.Had) > 0 || !ask.Reset {
		return Answer{Refused: "this node was removed from the cluster: reset it first"}
	}
	c.do(Readmit{from})
	return Answer{Again: true, Refused: "the peers have to agree that this node was reset"}
}
