package member

import "sync"

// maxWaiting bounds what peers may have waiting here: what is over it is thrown away, and sent again by
// their cores.
const maxWaiting = 4096

// inbox is what happens to the member, in order. Who posts never waits.
type inbox struct {
	mu      sync.Mutex
	events  []any
	foreign int // of them, messages of peers
	wake    chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// post takes what this node itself says: nothing of it is lost.
func (b *inbox) post(e any) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	b.ring()
}

// receive takes a message of a peer, if there is room for it.
func (b *inbox) receive(e any) bool {
	b.mu.Lock()
	room := b.foreign < maxWaiting
	if room {
		b.foreign++
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
	b.events, b.foreign = nil, 0
	return all
}
