package calls

import (
	"net/netip"
	"slices"
	"time"
)

// Message is a message of a call as it was on the wire.
type Message struct {
	At        time.Time      `json:"at"`
	Local     netip.AddrPort `json:"local"` // this node's address
	Remote    netip.AddrPort `json:"remote"`
	Transport string         `json:"transport"`
	Sent      bool           `json:"sent"` // by this node
	Data      []byte         `json:"data"`
	Cut       int            `json:"cut,omitempty"` // so many bytes more there were
}

// Ladder is the messages of a call in their order.
type Ladder struct {
	Call     Call      `json:"call"`
	Messages []Message `json:"messages"`
	// LeftOut are messages between the first and the last ones that there was no room
	// for; they stood before Messages[LeftOutAt].
	LeftOut   int `json:"left_out,omitempty"`
	LeftOutAt int `json:"left_out_at,omitempty"`
}

// ladder keeps the first messages of a call and the last: how it began and how it ended
// are asked for, and what repeats stands between.
type ladder struct {
	first, last []Message
	room        int // that first has used of its half
	lastBytes   int
	left        int
}

// message overhead, about what a Message takes beside its data.
const overhead = 128

// add keeps a message and returns by how many bytes the ladder grew.
func (l *ladder) add(m Message) int64 {
	if most := keepLadder / 4; len(m.Data) > most {
		m.Cut = len(m.Data) - most
		m.Data = m.Data[:most]
	}
	m.Data = slices.Clone(m.Data)
	size := len(m.Data) + overhead
	if l.last == nil && l.room+size <= keepLadder/2 {
		l.first, l.room = append(l.first, m), l.room+size
		return int64(size)
	}
	grown := int64(size)
	l.last, l.lastBytes = append(l.last, m), l.lastBytes+size
	for l.lastBytes > keepLadder/2 {
		gone := len(l.last[0].Data) + overhead
		l.last = slices.Delete(l.last, 0, 1)
		l.lastBytes -= gone
		l.left++
		grown -= int64(gone)
	}
	return grown
}

func (l *ladder) len() int { return len(l.first) + len(l.last) }

// settle gives back what the slices have to spare.
func (l *ladder) settle() { l.first, l.last = slices.Clone(l.first), slices.Clone(l.last) }

// drop forgets everything and returns how many bytes that were.
func (l *ladder) drop() int64 {
	n := l.room + l.lastBytes
	*l = ladder{left: l.left + l.len()}
	return int64(n)
}

// shown returns a copy, without secrets unless they are asked for.
func (l *ladder) shown(c Call, secrets bool) Ladder {
	out := Ladder{Call: c, Messages: slices.Concat(l.first, l.last), LeftOut: l.left, LeftOutAt: len(l.first)}
	if out.Messages == nil {
		out.Messages = []Message{}
	}
	if !secrets {
		for i := range out.Messages {
			out.Messages[i].Data = Redact(out.Messages[i].Data)
		}
	}
	return out
}
