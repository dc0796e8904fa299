package rows

import (
	"errors"
	"time"

	"turnpike.dev/turnpike/cluster"
)

// maxBehind is how many heads in a row may say less than there is here.
const maxBehind = 8

// errFull says that a peer sends more than fits.
var errFull = errors.New("a peer sends more or larger rows than fit: its table is not followed any further")

// copied is a row of another peer.
type copied struct {
	Row
	since time.Duration // when it was heard of
}

// replica is a copy of a peer's table.
type replica struct {
	owner       cluster.ID
	incarnation cluster.Incarnation
	seq         Seq
	rows        map[Key]copied
	next        *fresh // a copy that will take its place; nil: none
	lost        bool
	since       time.Duration // lost since then
	short       bool          // rows have ended here that the owner has: it is no copy any more
	checked     time.Duration
	behind      int  // heads in a row that said less than there is here
	news        bool // there is something to say to the owner
}

// fresh is a copy that is being made.
type fresh struct {
	incarnation cluster.Incarnation
	aim         Seq // it takes its place when it is so far
	aimed       bool
	seq         Seq
	at          Seq // of the snapshot that is taken; 0: none
	parts       int
	rows        map[Key]copied
}

// has says what there is, for the owner.
func (r *replica) has() Has {
	if n := r.next; n != nil {
		return Has{Of: n.incarnation, Seq: n.seq, At: n.at, Parts: n.parts}
	}
	return Has{Of: r.incarnation, Seq: r.seq}
}

// meets notes of which incarnation a message is. It says whether it is of the newest.
func (c *Core) meets(r *replica, i cluster.Incarnation) bool {
	newest := r.incarnation
	if r.next != nil {
		newest = r.next.incarnation
	}
	if i > newest {
		if r.lost {
			c.drop(r) // it has returned: what it said before is over
		}
		c.anew(r, i, "it runs anew")
	}
	return i >= newest
}

// anew begins another copy. The one before goes on to be shown until the other is complete.
func (c *Core) anew(r *replica, i cluster.Incarnation, why string) {
	r.next = &fresh{incarnation: i, rows: map[Key]copied{}}
	r.news = true
	c.do(Resynchronised{r.owner, why})
}

func (c *Core) drop(r *replica) {
	was := *r
	r.incarnation, r.seq, r.rows, r.short = 0, 0, map[Key]copied{}, false
	c.refreshAll(&was)
}

func (c *Core) head(now time.Duration, r *replica, h Head) {
	if !c.meets(r, h.Incarnation) {
		return
	}
	if n := r.next; n != nil {
		if !n.aimed {
			n.aim, n.aimed = h.Seq, true
			if n.incarnation == r.incarnation && r.behind == 0 {
				n.aim = max(h.Seq, r.seq) // what is shown does not go back
			}
		}
		c.swap(r)
		return
	}
	switch {
	case h.Seq < r.seq:
		// A head may be overtaken by a tail. Several are an owner that has forgotten.
		if r.behind++; r.behind > maxBehind {
			c.anew(r, h.Incarnation, "the owner has fewer changes than the copy")
		}
		return
	case h.Seq == r.seq && !r.short && now-r.checked >= checkInterval:
		r.checked = now
		if digestAll(r.rows) != h.Digest {
			c.anew(r, h.Incarnation, "the digests differ")
		}
	}
	r.behind = 0
}

func (c *Core) tail(now time.Duration, r *replica, t Tail) {
	if !c.meets(r, t.Incarnation) {
		return
	}
	rows, seq := r.rows, &r.seq
	if n := r.next; n != nil {
		if n.at != 0 && t.After == 0 {
			// The owner has all changes: it was the part of an old snapshot that came late.
			n.at, n.parts, n.rows = 0, 0, map[Key]copied{}
		}
		if n.at != 0 {
			return // in the middle of a snapshot
		}
		rows, seq = n.rows, &n.seq
	}
	if t.After > *seq {
		return // something is missing in between: it will be sent again
	}
	for i, change := range t.Changes {
		s := t.After + Seq(i) + 1
		if s <= *seq {
			continue
		}
		if !c.apply(now, r, rows, change) {
			return
		}
		*seq, r.news = s, true
		if r.next == nil {
			c.refresh(change.Key)
		}
	}
	c.swap(r)
}

// apply makes one change in a copy. It says whether it fits.
func (c *Core) apply(now time.Duration, r *replica, rows map[Key]copied, change Change) bool {
	if change.Gone {
		delete(rows, change.Key)
		return true
	}
	if _, had := rows[change.Key]; !fits(change.Key, change.Row) || len(rows) >= MaxRows && !had {
		c.do(Refused{Owner: r.owner, Err: errFull})
		return false
	}
	rows[change.Key] = copied{change.Row, now}
	return true
}

func (c *Core) part(now time.Duration, r *replica, p Part) {
	if !c.meets(r, p.Incarnation) {
		return
	}
	if r.next == nil {
		if p.At <= r.seq || p.Index != 0 {
			return // an old one, or its beginning is missing
		}
		c.anew(r, p.Incarnation, "it has fallen behind")
	}
	n := r.next
	if p.At <= n.seq && n.seq != 0 || p.At < n.at {
		return
	}
	if n.at != p.At {
		*n = fresh{incarnation: n.incarnation, aim: n.aim, aimed: n.aimed, at: p.At, rows: map[Key]copied{}}
	}
	if p.Index != n.parts {
		return // twice, or one before it is missing
	}
	for _, row := range p.Rows {
		row.Gone = false
		if !c.apply(now, r, n.rows, row) {
			return
		}
	}
	n.parts, r.news = n.parts+1, true
	if n.parts >= p.Of {
		n.seq, n.at, n.parts = n.at, 0, 0
		c.swap(r)
	}
}

// swap puts a new copy in the place of the one before, when it is complete.
func (c *Core) swap(r *replica) {
	n := r.next
	if n == nil || !n.aimed || n.at != 0 || n.seq < n.aim {
		return
	}
	was := *r
	r.incarnation, r.seq, r.rows, r.next, r.short = n.incarnation, n.seq, n.rows, nil, false
	r.behind = 0
	if r.lost {
		return // nothing of it is shown
	}
	for _, k := range sorted(was.rows) {
		if _, still := r.rows[k]; !still {
			c.refresh(k)
		}
	}
	c.refreshAll(r)
}

func (c *Core) alive(r *replica) {
	if !r.lost {
		return
	}
	r.lost = false
	c.refreshAll(r)
	if r.short && r.next == nil {
		c.anew(r, r.incarnation, "rows have ended while it was lost")
	}
}

// expire ends rows of a lost peer whose time is over.
func (c *Core) expire(now time.Duration, r *replica) {
	if !r.lost {
		return
	}
	for k, row := range r.rows {
		if row.TTL > 0 && now-max(r.since, row.since) >= row.TTL {
			delete(r.rows, k) // hidden already: nobody has to be told
			r.short = true
		}
	}
}

// Copy is how far the copy of a peer's table is (CL-17, OP-05).
type Copy struct {
	Owner       cluster.ID
	Incarnation cluster.Incarnation
	Seq         Seq
	Rows        int
	Lost        bool
	// Short: rows have ended in it, after their owner was lost.
	Short bool
	// Current: no other copy is being made, and it is not short.
	Current bool
	Digest  Digest
}

// Copies returns the copies, by the peers' names, with their digests: it reads every row.
func (c *Core) Copies() []Copy {
	out := make([]Copy, 0, len(c.order))
	for _, id := range c.order {
		s, _ := c.Copy(id)
		s.Digest = digestAll(c.copies[id].rows)
		out = append(out, s)
	}
	return out
}

// Copy returns how far the copy of one peer's table is, without its digest.
func (c *Core) Copy(id cluster.ID) (s Copy, found bool) {
	r := c.copies[id]
	if r == nil {
		return Copy{}, false
	}
	return Copy{Owner: id, Incarnation: r.incarnation, Seq: r.seq, Rows: len(r.rows), Lost: r.lost, Short: r.short, Current: r.next == nil && !r.short}, true
}

// Rows returns how many rows this node has itself.
func (c *Core) Rows() int { return len(c.own.rows) }

// Own returns how far this node's own table is.
func (c *Core) Own() Head {
	return Head{N: c.heads, Incarnation: c.cfg.Incarnation, Seq: c.own.seq, Digest: c.own.digest}
}
