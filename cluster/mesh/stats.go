package mesh

import (
	"maps"
	"net"
	"sync"
	"sync/atomic"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/wire"
)

// Stat is what went over the network with an entry, in one class.
type Stat struct {
	Address string
	ID      cluster.ID // empty: it was never greeted
	Class   string     // rows, bulk, requests, raft or recovery
	// Sent and Received are bytes on TCP, TLS included; messages are counted for rows and bulk.
	Sent, Received             uint64
	MessagesSent, MessagesRead uint64
	Dropped                    uint64 // messages that did not fit into the queue, or waited when the connection ended
	Connections                int    // now, in both directions
}

// traffic is what went over the connections of an entry and a class.
type traffic struct{ sent, received, heard atomic.Uint64 }

// counted counts the bytes of a connection.
type counted struct {
	net.Conn
	own atomic.Pointer[traffic]
}

// Read implements net.Conn.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.own.Load().received.Add(uint64(n))
	return n, err
}

// Write implements net.Conn.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.own.Load().sent.Add(uint64(n))
	return n, err
}

func count(c net.Conn) *counted {
	out := &counted{Conn: c}
	out.own.Store(new(traffic))
	return out
}

// to adds what was and will be counted to t.
func (c *counted) to(t *traffic) {
	early := c.own.Swap(t)
	t.sent.Add(early.sent.Load())
	t.received.Add(early.received.Load())
}

// Stats returns the traffic with each entry and class since the entry is in the list.
func (m *Mesh) Stats() []Stat {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Stat
	for _, e := range m.entries {
		for s := wire.Rows; s <= wire.Recovery; s++ {
			out = append(out, e.stat(s))
		}
	}
	return out
}

// stat is called with Mesh.mu held.
func (e *entry) stat(s wire.Stream) Stat {
	t := &e.traffic[s]
	st := Stat{Address: e.address, Class: s.String(), Sent: t.sent.Load(), Received: t.received.Load(), MessagesRead: t.heard.Load()}
	if e.known != nil {
		st.ID = e.known.ID
	}
	for _, l := range e.lines {
		if l.stream == s {
			st.Connections++
		}
	}
	switch s {
	case wire.Rows:
		st.MessagesSent, st.Dropped = e.rows.counts()
	case wire.Bulk:
		st.MessagesSent, st.Dropped = e.bulk.counts()
	}
	return st
}

// Refused returns how often somebody was refused, by Reason.
func (m *Mesh) Refused() map[string]uint64 {
	m.refused.mu.Lock()
	defer m.refused.mu.Unlock()
	return maps.Clone(m.refused.of)
}

// tally counts by a few names.
type tally struct {
	mu sync.Mutex
	of map[string]uint64
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = make(map[string]uint64)
	}
	t.of[name]++
}
