package agreement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
)

// provider lets a peer's name be its address: where it is, the mesh knows. So a change of address is
// no change of membership (CL-22).
type provider struct{}

func (provider) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	return raft.ServerAddress(id), nil
}

// Bounds of what peers can make this node hold.
const (
	maxStreams   = 64 // accepted ones that live
	greetingTime = 5 * time.Second
)

// streams carries the library's messages of one history: each stream begins with its id.
type streams struct {
	cfg      Config
	cluster  string
	accepted chan net.Conn
	end      chan struct{}
	once     sync.Once

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu; nil: ended
}

var _ raft.StreamLayer = (*streams)(nil)

func newStreams(cfg Config, cluster string) *streams {
	return &streams{
		cfg: cfg, cluster: cluster, accepted: make(chan net.Conn), end: make(chan struct{}), conns: map[net.Conn]bool{},
	}
}

// take reads the greeting of a stream that a peer opened, and hands it to the library.
func (s *streams) take(conn net.Conn) {
	c := s.keep(conn)
	if c == nil {
		conn.Close()
		return
	}
	go func() {
		if !s.greeted(c) {
			c.Close()
			return
		}
		select {
		case s.accepted <- c:
		case <-s.end:
			c.Close()
		}
	}()
}

// greeted says whether the peer is of the same history.
func (s *streams) greeted(c net.Conn) bool {
	want := greeting(s.cluster)
	got := make([]byte, len(want))
	if err := c.SetReadDeadline(time.Now().Add(greetingTime)); err != nil {
		return false
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != string(want) {
		return false
	}
	return c.SetReadDeadline(time.Time{}) == nil
}

func greeting(cluster string) []byte {
	return fmt.Appendf(nil, "turnpike-raft 1 %s\n", cluster)
}

// keep notes a stream, so that it ends with its history.
func (s *streams) keep(conn net.Conn) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || len(s.conns) >= maxStreams {
		return nil
	}
	s.conns[conn] = true
	return &stream{Conn: conn, of: s}
}

// stream is a connection that is noted until it is closed.
type stream struct {
	net.Conn
	of *streams
}

func (c *stream) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// Accept waits for a stream (net.Listener).
func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.end:
		return nil, net.ErrClosed
	}
}

// Dial opens a stream to a peer, and greets it.
func (s *streams) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.cfg.Dial(ctx, cluster.ID(address))
	if err != nil {
		return nil, err
	}
	c := s.keep(conn)
	if c == nil {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	if err = c.SetWriteDeadline(time.Now().Add(timeout)); err == nil {
		_, err = c.Write(greeting(s.cluster))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, c.SetWriteDeadline(time.Time{})
}

// Close ends accepting (net.Listener).
func (s *streams) Close() error {
	s.once.Do(func() { close(s.end) })
	return nil
}

// closeAll ends all streams, so that nothing of this history is said any more.
func (s *streams) closeAll() {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range conns {
		c.Close()
	}
}

// Addr is this node's name (net.Listener).
func (s *streams) Addr() net.Addr { return name(s.cfg.Self) }

type name string

func (name) Network() string  { return "peer" }
func (n name) String() string { return string(n) }
