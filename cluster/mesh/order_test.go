package mesh

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/wire"
)

// lastHello keeps what a handler was told last of a peer.
type lastHello struct {
	quiet
	peer Peer
	n    int
}

func (h *lastHello) Connected(p Peer) { h.peer, h.n = p, h.n+1 }

func hello(incarnation cluster.Incarnation, number uint64, joined string) wire.Hello {
	return wire.Hello{ID: "peer", Incarnation: incarnation, Number: number, Cluster: joined}
}

// Two connections with a peer tell what it says of itself, and a retransmission may bring what it said first last: the
// later one stays.
func TestOlderHelloIsNotTaken(t *testing.T) {
	h := &lastHello{}
	m := &Mesh{cfg: Config{Handler: h}}
	e := newEntry("127.0.0.1")
	e.ctx = context.Background()
	accepted := standing(t, e, wire.Rows, hello(7, 1, ""))
	accepted.accepted = true
	if err := m.add(accepted); err != nil {
		t.Fatal(err)
	}
	m.renewed(accepted, hello(7, 3, "joined"))
	dialled := standing(t, e, wire.Rows, hello(7, 2, "")) // its welcome was underway for longer
	if err := m.add(dialled); err != nil {
		t.Fatal(err)
	}
	if dialled.peer.Hello.Cluster != "joined" || e.known.Hello.Cluster != "joined" {
		t.Errorf("a welcome that came late counts: %+v", e.known.Hello)
	}
	for _, late := range []wire.Hello{hello(7, 2, "late"), hello(6, 9, "of the process before")} {
		m.renewed(accepted, late)
	}
	if h.n != 1 || h.peer.Hello.Cluster != "joined" {
		t.Errorf("told %d times, the last is %+v", h.n, h.peer.Hello)
	}
	m.renewed(accepted, hello(8, 1, "after a restart"))
	if h.peer.Hello.Cluster != "after a restart" {
		t.Error("what a new process says is not told")
	}
}

// What a peer says with the opening of a stream of another kind may come before the same on the connection that is heard: it is told
// then, as nobody says it again.
func TestHelloOfAnotherStreamIsTold(t *testing.T) {
	h, m, rows := withBulk(t, hello(7, 3, "joined"))
	m.renewed(rows, hello(7, 2, "joined"))
	if h.n != 1 || h.peer.Hello.Cluster != "joined" || h.peer.Hello.Number != 3 {
		t.Errorf("told %d times, the last is %+v", h.n, h.peer.Hello)
	}
	m.renewed(rows, hello(7, 3, "joined"))
	if h.n != 1 {
		t.Error("it is told twice")
	}
}

// What the process before says last on its connection is not what the next one said, on another.
func TestHelloOfTheNextProcess(t *testing.T) {
	h, m, rows := withBulk(t, hello(8, 1, "joined"))
	m.renewed(rows, hello(7, 2, "late"))
	if h.n != 0 || rows.peer.Hello.Incarnation != 7 || rows.entry.known.Hello.Incarnation != 8 {
		t.Errorf("told %d times; the old line is of %d, known is %d", h.n, rows.peer.Hello.Incarnation, rows.entry.known.Hello.Incarnation)
	}
}

// withBulk is a mesh that has met a peer by a connection for rows, and then by one for bulk with another hello.
func withBulk(t *testing.T, later wire.Hello) (*lastHello, *Mesh, *line) {
	t.Helper()
	h := &lastHello{}
	m := &Mesh{cfg: Config{Handler: h}}
	e := newEntry("127.0.0.1")
	e.ctx = context.Background()
	rows := standing(t, e, wire.Rows, hello(7, 1, ""))
	for _, l := range []*line{rows, standing(t, e, wire.Bulk, later)} {
		if err := m.add(l); err != nil {
			t.Fatal(err)
		}
	}
	return h, m, rows
}

// standing is a connection of an entry with what the peer said when it was opened.
func standing(t *testing.T, e *entry, s wire.Stream, said wire.Hello) *line {
	t.Helper()
	mine, theirs := net.Pipe()
	t.Cleanup(func() { mine.Close(); theirs.Close() })
	l := wrap(mine)
	l.Conn, l.entry, l.stream, l.peer = tls.Client(mine, &tls.Config{}), e, s, Peer{ID: "peer", Hello: said}
	return l
}
