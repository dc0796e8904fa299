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
	line := func(said wire.Hello) *line {
		mine, theirs := net.Pipe()
		t.Cleanup(func() { mine.Close(); theirs.Close() })
		l := wrap(mine)
		l.Conn, l.entry, l.stream, l.peer = tls.Client(mine, &tls.Config{}), e, wire.Rows, Peer{ID: "peer", Hello: said}
		return l
	}
	accepted := line(hello(7, 1, ""))
	accepted.accepted = true
	if err := m.add(accepted); err != nil {
		t.Fatal(err)
	}
	m.renewed(accepted, hello(7, 3, "joined"))
	dialled := line(hello(7, 2, "")) // its welcome was underway for longer
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
