package registrar

import (
	"sync"

	"turnpike.dev/turnpike/signaling/loop"
)

// Flows numbers the connections that somebody registered over, so that a binding can name
// one without knowing what it is (RFC 5626 section 5.2). Its methods may be called from
// any goroutine.
type Flows struct {
	mu   sync.RWMutex
	last uint64
	ids  map[*loop.Conn]uint64
	of   map[uint64]*loop.Conn
	idle map[uint64]bool // that nobody used when it was looked last
}

// NewFlows returns Flows without a connection.
func NewFlows() *Flows {
	return &Flows{ids: map[*loop.Conn]uint64{}, of: map[uint64]*loop.Conn{}, idle: map[uint64]bool{}}
}

// Flow returns the number of a connection; 0: nobody registered over it.
func (f *Flows) Flow(c *loop.Conn) uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ids[c]
}

// Conn returns the connection of a number; nil: it has gone.
func (f *Flows) Conn(flow uint64) *loop.Conn {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.of[flow]
}

// take gives a connection a number, and keeps it open though nothing comes.
func (f *Flows) take(c *loop.Conn) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.ids[c]
	if id == 0 {
		f.last++
		id = f.last
		f.ids[c], f.of[id] = id, c
		c.Keep(true)
	}
	delete(f.idle, id)
	return id
}

// forget returns the number of a connection that has gone; 0: it had none.
func (f *Flows) forget(c *loop.Conn) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.ids[c]
	delete(f.ids, c)
	delete(f.of, id)
	delete(f.idle, id)
	return id
}

// tidy gives up the connections that nobody used this time and the time before: then they
// may close when nothing comes.
func (f *Flows) tidy(used func(flow uint64) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, c := range f.of {
		switch {
		case used(id):
			delete(f.idle, id)
		case !f.idle[id]:
			f.idle[id] = true
		default:
			c.Keep(false)
			delete(f.ids, c)
			delete(f.of, id)
			delete(f.idle, id)
		}
	}
}
