package revisions

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

func (c *Core) receive(e Received) {
	p := c.peers[e.From]
	if p == nil {
		return // it has not joined
	}
	switch m := e.Message.(type) {
	case Beat:
		if !p.hears(m) {
			return
		}
		c.know(m.Reign)
		c.know(m.Has.Reign)
		c.remember(m.Has)
	case Push:
		if c.accepts(p, m) {
			c.take(p.id, m)
		}
	}
}

// hears says whether a beat is newer than all before it, and keeps it.
func (p *peer) hears(b Beat) bool {
	if p.heard && (b.Incarnation < p.beat.Incarnation || b.Incarnation == p.beat.Incarnation && b.N <= p.beat.N) {
		return false
	}
	p.heard, p.beat = true, b
	return true
}

// remember notes what a peer has of this node's own writing. More than this node has: its disk has
// forgotten. The same with another content: it forgot and wrote on; then the author decides, by another revision.
func (c *Core) remember(has Tag) {
	if has.Author != c.cfg.Self {
		return
	}
	if has.Compare(c.mine) > 0 {
		c.mine = has
	}
	if c.Acting() && c.writing == nil && has.Compare(c.has.Tag) == 0 && has.Digest != c.has.Tag.Digest {
		t := c.has.Tag
		t.Revision++
		c.write(Stored{Document{t, c.has.Bytes}, c.has.Decision}, false)
	}
}

// accepts says whether a document comes from who may send it, and is newer than what there is.
func (c *Core) accepts(p *peer, m Push) bool {
	if p.id != c.Follows() || !c.equal(p) {
		return false
	}
	if m.Tag.Author != p.id && m.Tag != c.mine {
		return false // an author sends its own; who keeps what this node wrote gives that back
	}
	if c.forced && p.id == c.settings.Primary {
		return true
	}
	order := m.Tag.Compare(c.has.Tag)
	return order > 0 || order == 0 && (c.damaged || m.Tag.Digest != c.has.Tag.Digest)
}

// equal says whether a peer runs the same software (CL-10).
func (c *Core) equal(p *peer) bool { return p.heard && p.beat.Software == c.cfg.Software }

func (c *Core) take(from cluster.ID, m Push) {
	if c.writing != nil {
		if c.writing.Tag != m.Tag {
			c.waiting = &waiting{from, m}
		}
		return
	}
	if c.now < c.rest {
		return // the disk failed a moment ago; it will be sent again
	}
	if m.Tag == c.has.Tag && !c.damaged && !c.forced {
		return // it is what there is already
	}
	c.forced = false
	decision := c.has.Decision
	if m.Tag.Author == c.cfg.Self {
		decision = c.settings.Decision // what it gets back is of a reign that it began
	}
	lost := c.has.Tag.Author == c.cfg.Self && m.Tag.Author != c.cfg.Self
	c.write(Stored{m.Document, decision}, lost)
}

// push sends what there is to those who follow and do not have it.
func (c *Core) push(now time.Duration) {
	for _, id := range c.order {
		p := c.peers[id]
		if !p.reachable || !c.equal(p) || p.beat.Follows != c.cfg.Self || c.has.Tag == (Tag{}) {
			continue
		}
		if p.beat.Has == c.has.Tag && !p.beat.Wants {
			continue
		}
		if p.pushed == c.has.Tag && p.pushedAt != 0 && now-p.pushedAt < pushAgain {
			continue
		}
		p.pushed, p.pushedAt = c.has.Tag, max(now, 1)
		c.do(Send{id, Push{c.has.Document}})
	}
}

// Next returns when all of the configuration is compared with its digest next (CL-17).
func (c *Core) Next() time.Duration { return c.nextCheck }

// Has returns what is in force.
func (c *Core) Has() Tag { return c.has.Tag }

// Faults are what is wrong with the configuration's way, in words for an operator; empty: nothing. Which
// alarms that are is decided in cluster/troubles.
type Faults struct {
	Unwritten string // why it could not be written last
	Silent    string // who is followed and does not answer
	Forgot    string // what this node wrote and does not have any more
	Deposed   string // who has become the primary, while this node's settings name itself
	Conflict  string // the primary has an earlier configuration than this node
	Damaged   string // what is in force is not what it should be
}

// Faults returns what is wrong now.
func (c *Core) Faults() Faults {
	var f Faults
	if c.failed != nil {
		f.Unwritten = c.failed.Error()
	}
	from := c.Follows()
	if p := c.peers[from]; p != nil && !p.reachable {
		f.Silent = "the configuration comes from " + string(from) + ", which does not answer"
	}
	if c.settings.Primary == c.cfg.Self && !c.Acting() && c.writing == nil {
		if c.forgot() {
			f.Forgot = "this node wrote " + c.mine.String() + " and does not have it any more; a peer does"
		} else {
			f.Deposed = "the settings name this node, and " + string(c.reign.Author) + " has become the primary since"
		}
	}
	if p := c.peers[from]; p != nil && p.heard && p.reachable && p.beat.Follows == from && p.beat.Has.Reign.Compare(c.has.Tag.Reign) < 0 {
		f.Conflict = "this node has " + c.has.Tag.String() + ", the primary " + p.beat.Has.String()
	}
	if c.damaged {
		f.Damaged = "what is in force is not " + c.has.Tag.String()
	}
	return f
}
