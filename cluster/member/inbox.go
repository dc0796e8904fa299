package member

import (
	"sync"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/rows"
)

// Bounds of what peers may have waiting here: what is over them is thrown away, and sent again by their cores.
const (
	maxWaiting = 4096
	maxBytes   = 64 << 20
)

// inbox is what happens to the member, in order. Who posts never waits.
type inbox struct {
	mu      sync.Mutex
	events  []any
	foreign int // of them, messages of peers
	bytes   int // about how much they are together
	// met are the indexes in events of those contacts that nobody has looked at yet, by their entry: what a peer says of
	// itself takes the place of what it said before.
	met  map[string]int
	wake chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// post takes what this node itself says: nothing of it is lost.
func (b *inbox) post(e any) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	b.ring()
}

// meet takes what a peer says of itself. Of each entry one waits, the latest.
func (b *inbox) meet(c *contact) {
	b.mu.Lock()
	i, waits := b.met[c.entry]
	switch {
	case !waits:
		if b.met == nil {
			b.met = make(map[string]int)
		}
		b.met[c.entry] = len(b.events)
		b.events = append(b.events, contacted{c})
	case !overtaken(c, b.events[i]):
		b.events[i] = contacted{c}
	}
	b.mu.Unlock()
	b.ring()
}

// overtaken says that a contact that waits is with the same peer, and later.
func overtaken(c *contact, waits any) bool {
	o, ok := waits.(contacted)
	return ok && o.id == c.id && c.before(o.contact)
}

// receive takes a message of a peer, if there is room for it. One that is larger than the room finds it where nothing
// else waits.
func (b *inbox) receive(e received) bool {
	n := weight(e.message)
	b.mu.Lock()
	room := b.foreign < maxWaiting && (b.bytes == 0 || b.bytes+n <= maxBytes)
	if room {
		b.foreign++
		b.bytes += n
		b.events = append(b.events, e)
	}
	b.mu.Unlock()
	b.ring()
	return room
}

func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns all that waits.
func (b *inbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.events
	b.events, b.foreign, b.bytes = nil, 0, 0
	clear(b.met)
	return all
}

// frame is about how much a message takes that has nothing in it of any length.
const frame = 256

// weight is about how much memory a message takes.
func weight(message any) int {
	switch m := message.(type) {
	case revisions.Push:
		return frame + len(m.Bytes)
	case rows.Tail:
		return frame + changes(m.Changes)
	case rows.Part:
		return frame + changes(m.Rows)
	case ledger.Beat:
		return frame * (1 + len(m.Wants) + len(m.Spent))
	case ledger.Lead:
		return frame * (1 + len(m.Grants) + len(m.Recall))
	case ledger.Recall:
		return frame * (1 + len(m.Of))
	}
	return frame
}

func changes(all []rows.Change) int {
	n := 0
	for _, c := range all {
		n += 64 + len(c.Key) + len(c.Row.Value)
	}
	return n
}
