package mesh

import (
	"sync"

	"turnpike.dev/turnpike/cluster/wire"
)

// Bounds of what waits to be sent, in bytes. A message that is larger goes into an empty queue.
const (
	smallQueue = 1 << 20
	bulkQueue  = 24 << 20
	keepQueue  = 1 << 20 // a larger buffer is given back to the system
)

// queue holds the frames that wait for a connection. Who puts never waits for who takes.
type queue struct {
	limit int
	ready chan struct{}

	mu      sync.Mutex // never held while anything is awaited
	open    bool
	hello   bool // the hello is to be said again
	frames  []byte
	spare   []byte
	thrown  uint64 // messages that did not fit
	said    uint64 // messages taken
	waiting uint64 // in frames
}

func newQueue(limit int) *queue { return &queue{limit: limit, ready: make(chan struct{}, 1)} }

// put appends a message, or says false: nothing is kept for a connection that is not there, and
// nothing that does not fit.
func (q *queue) put(message any) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return false
	}
	n := len(q.frames)
	frames, err := wire.Append(q.frames, message)
	if err != nil || n > 0 && len(frames) > q.limit {
		q.thrown++
		return false
	}
	q.frames = frames
	q.waiting++
	q.signal()
	return true
}

// greet has the hello said again, before anything else.
func (q *queue) greet() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open {
		q.hello = true
		q.signal()
	}
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take returns all that waits; done takes the buffer back.
func (q *queue) take() (frames []byte, hello bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames, hello = q.frames, q.hello
	q.frames, q.hello, q.spare = q.spare, false, nil
	q.said += q.waiting
	q.waiting = 0
	return frames, hello
}

func (q *queue) done(frames []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if cap(frames) <= keepQueue {
		q.spare = frames[:0]
	}
}

// begin opens the queue for a new connection, end throws away what waited for an old one.
func (q *queue) begin() { q.reset(true) }
func (q *queue) end()   { q.reset(false) }

func (q *queue) reset(open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open, q.hello = open, false
	q.thrown += q.waiting
	q.frames, q.waiting = q.frames[:0], 0
}

// counts returns how many messages were sent and how many thrown away.
func (q *queue) counts() (said, thrown uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.said, q.thrown
}
