package rows

import (
	"time"

	"turnpike.dev/turnpike/cluster"
)

// table is this node's rows, with the last changes.
type table struct {
	rows   map[Key]Row
	seq    Seq
	digest Digest
	log    []Change // change s is at s % len(log)
}

func newTable(log int) table {
	return table{rows: map[Key]Row{}, log: make([]Change, log)}
}

func (t *table) put(k Key, r Row) {
	if had, ok := t.rows[k]; ok {
		if had == r {
			return // a refresh is not spread
		}
		t.digest -= digestOf(k, had)
	}
	t.rows[k] = r
	t.digest += digestOf(k, r)
	t.note(Change{Key: k, Row: r})
}

func (t *table) remove(k Key) bool {
	had, ok := t.rows[k]
	if ok {
		delete(t.rows, k)
		t.digest -= digestOf(k, had)
		t.note(Change{Key: k, Gone: true})
	}
	return ok
}

func (t *table) note(c Change) {
	t.seq++
	t.log[t.seq%Seq(len(t.log))] = c
}

// follows says whether the changes after one are all still there.
func (t *table) follows(after Seq) bool {
	return after <= t.seq && t.seq-after <= Seq(len(t.log))
}

// after returns changes after one, up to another and about so many bytes.
func (t *table) after(after, to Seq, bytes int) []Change {
	var out []Change
	for s := after + 1; s <= to && bytes > 0; s++ {
		c := t.log[s%Seq(len(t.log))]
		out = append(out, c)
		bytes -= c.bytes()
	}
	return out
}

func (c Change) bytes() int { return len(c.Key) + len(c.Row.Value) + 32 }

// parts cuts the table as it is now into pieces.
func (t *table) parts(incarnation cluster.Incarnation, bytes int) []Part {
	var out []Part
	next := Part{Incarnation: incarnation, At: t.seq}
	left := bytes
	for _, k := range sorted(t.rows) {
		if left <= 0 {
			out = append(out, next)
			next.Rows, left = nil, bytes
		}
		c := Change{Key: k, Row: t.rows[k]}
		next.Rows = append(next.Rows, c)
		left -= c.bytes()
	}
	out = append(out, next)
	for i := range out {
		out[i].Index, out[i].Of = i, len(out)
	}
	return out
}

// reader is a peer that follows this node's table.
type reader struct {
	id          cluster.ID
	incarnation cluster.Incarnation // of the peer
	heard       uint64              // number of its newest head
	has         Has
	known       bool // it has said what it has
	sent        Seq  // changes sent
	moved       time.Duration
	parts       []Part // of a snapshot that it gets; nil: none
	sentParts   int
}

const (
	// window is how many changes are under way to a reader at a time, and windowParts how many
	// parts of a snapshot.
	window      = 4096
	windowParts = 8
)

// hears says whether a head is newer than all before it.
func (r *reader) hears(h Head) bool {
	if h.Incarnation < r.incarnation || h.Incarnation == r.incarnation && h.N <= r.heard {
		return false
	}
	r.incarnation, r.heard = h.Incarnation, h.N
	return true
}

// take notes what a reader says it has. What cannot be counts as nothing.
func (r *reader) take(now time.Duration, own cluster.Incarnation, t *table, has Has) {
	if has.Of != own || has.Seq > t.seq || has.At > t.seq || has.Parts < 0 {
		has = Has{Of: own}
	}
	if !r.known || has != r.has {
		r.moved = now
	}
	if has.Seq < r.has.Seq {
		r.sent = has.Seq // it has begun anew
	}
	r.has, r.known, r.sent = has, true, max(r.sent, has.Seq)
	if r.parts != nil && has.Seq >= r.parts[0].At {
		r.parts = nil
	}
}

// taken is how many parts of the snapshot that it gets a reader has.
func (r *reader) taken() int {
	if r.has.At == r.parts[0].At {
		return min(r.has.Parts, len(r.parts))
	}
	return 0
}

// feed sends a reader what it lacks, as much at a time as the window allows.
func (c *Core) feed(now time.Duration, r *reader) {
	if !r.known {
		return
	}
	late := now-r.moved >= retry
	if late {
		r.moved = now
	}
	if r.parts == nil && !c.own.follows(r.has.Seq) {
		r.parts, r.sentParts = c.own.parts(c.cfg.Incarnation, c.cfg.Bytes), 0
		r.sent = c.own.seq
	}
	if r.parts != nil {
		c.feedParts(r, late)
		return
	}
	if late || !c.own.follows(r.sent) {
		r.sent = r.has.Seq
	}
	for r.sent < c.own.seq && r.sent-r.has.Seq < window {
		t := Tail{c.cfg.Incarnation, r.sent, c.own.after(r.sent, c.own.seq, c.cfg.Bytes)}
		r.sent += Seq(len(t.Changes))
		c.do(Send{r.id, t})
	}
}

func (c *Core) feedParts(r *reader, late bool) {
	taken := r.taken()
	if late && taken == 0 && r.parts[0].At != c.own.seq {
		r.parts, r.sentParts = c.own.parts(c.cfg.Incarnation, c.cfg.Bytes), 0 // nothing is lost by a fresher one
	}
	if late {
		r.sentParts = taken
	}
	for ; r.sentParts < min(len(r.parts), taken+windowParts); r.sentParts++ {
		c.do(Send{r.id, r.parts[r.sentParts]})
	}
}
