package wire

import (
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

type hasBody struct {
	Of    uint64 `cbor:"1,keyasint,omitempty"`
	Seq   uint64 `cbor:"2,keyasint,omitempty"`
	At    uint64 `cbor:"3,keyasint,omitempty"`
	Parts int    `cbor:"4,keyasint,omitempty"`
}

type headBody struct {
	N           uint64  `cbor:"1,keyasint,omitempty"`
	Incarnation uint64  `cbor:"2,keyasint,omitempty"`
	Seq         uint64  `cbor:"3,keyasint,omitempty"`
	Digest      uint64  `cbor:"4,keyasint,omitempty"`
	Has         hasBody `cbor:"5,keyasint"`
}

type changeBody struct {
	Key   []byte `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint,omitempty"`
	TTL   int64  `cbor:"3,keyasint,omitempty"`
	Gone  bool   `cbor:"4,keyasint,omitempty"`
}

type tailBody struct {
	Incarnation uint64       `cbor:"1,keyasint,omitempty"`
	After       uint64       `cbor:"2,keyasint,omitempty"`
	Changes     []changeBody `cbor:"3,keyasint,omitempty"`
}

type partBody struct {
	Incarnation uint64       `cbor:"1,keyasint,omitempty"`
	At          uint64       `cbor:"2,keyasint,omitempty"`
	Index       int          `cbor:"3,keyasint,omitempty"`
	Of          int          `cbor:"4,keyasint,omitempty"`
	Rows        []changeBody `cbor:"5,keyasint,omitempty"`
}

func headOf(m rows.Head) *headBody {
	return &headBody{
		m.N, uint64(m.Incarnation), uint64(m.Seq), uint64(m.Digest),
		hasBody{uint64(m.Has.Of), uint64(m.Has.Seq), uint64(m.Has.At), m.Has.Parts},
	}
}

func tailOf(m rows.Tail) *tailBody {
	return &tailBody{uint64(m.Incarnation), uint64(m.After), changesOf(m.Changes)}
}

func partOf(m rows.Part) *partBody {
	return &partBody{uint64(m.Incarnation), uint64(m.At), m.Index, m.Of, changesOf(m.Rows)}
}

func changesOf(all []rows.Change) []changeBody {
	out := make([]changeBody, len(all))
	for i, c := range all {
		out[i] = changeBody{[]byte(c.Key), []byte(c.Row.Value), int64(c.Row.TTL), c.Gone}
	}
	return out
}

func (b *headBody) message() (any, error) {
	var c check
	c.count("parts", b.Has.Parts, rows.MaxRows)
	m := rows.Head{
		N: b.N, Incarnation: cluster.Incarnation(b.Incarnation), Seq: rows.Seq(b.Seq), Digest: rows.Digest(b.Digest),
		Has: rows.Has{Of: cluster.Incarnation(b.Has.Of), Seq: rows.Seq(b.Has.Seq), At: rows.Seq(b.Has.At), Parts: b.Has.Parts},
	}
	return m, c.err
}

func (b *tailBody) message() (any, error) {
	var c check
	m := rows.Tail{Incarnation: cluster.Incarnation(b.Incarnation), After: rows.Seq(b.After), Changes: changes(&c, b.Changes)}
	return m, c.err
}

func (b *partBody) message() (any, error) {
	var c check
	c.count("parts", b.Of, rows.MaxRows)
	if b.Index < 0 || b.Index >= b.Of {
		c.fail("part %d of %d", b.Index, b.Of)
	}
	m := rows.Part{
		Incarnation: cluster.Incarnation(b.Incarnation), At: rows.Seq(b.At), Index: b.Index, Of: b.Of,
		Rows: changes(&c, b.Rows),
	}
	for _, r := range m.Rows {
		if r.Gone {
			c.fail("a snapshot with a row that is gone")
		}
	}
	return m, c.err
}

func changes(c *check, all []changeBody) []rows.Change {
	out := make([]rows.Change, len(all))
	for i, b := range all {
		c.count("bytes of a key", len(b.Key), rows.MaxKey)
		c.count("bytes of a row", len(b.Value), rows.MaxValue)
		if b.TTL < 0 {
			c.fail("a time to live of %s", time.Duration(b.TTL))
		}
		out[i] = rows.Change{Key: rows.Key(b.Key), Row: rows.Row{Value: string(b.Value), TTL: time.Duration(b.TTL)}, Gone: b.Gone}
	}
	return out
}
