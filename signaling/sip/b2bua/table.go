package b2bua

import (
	"turnpike.dev/turnpike/signaling/shard"
	"turnpike.dev/turnpike/signaling/sip/dialog"
	"turnpike.dev/turnpike/signaling/sip/message"
)

// table is what one shard has. It belongs to the shard's goroutine.
type table struct {
	calls map[*call]struct{}
	legs  map[dialog.ID]*leg
	wire  []byte // a message on its way to a ladder; used again and again
}

func newTable() *table {
	return &table{calls: map[*call]struct{}{}, legs: map[dialog.ID]*leg{}}
}

func (b *B2BUA) table(s *shard.Shard) *table { return b.tables[s.Index()] }

// leg finds the leg that a request is for (RFC 3261 section 12.2.2).
func (t *table) leg(m *message.Message) *leg {
	return t.legs[dialog.ID{CallID: m.CallID(), Local: m.To().Tag(), Remote: m.From().Tag()}]
}
