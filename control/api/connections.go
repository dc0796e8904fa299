package api

import (
	"net"
	"net/netip"
	"sync"
)

// bounded gives out a bounded number of connections at a time, in all and of an address;
// what is more is closed at once.
func bounded(l net.Listener) net.Listener {
	return &boundedListener{Listener: l, from: map[netip.Addr]int{}}
}

type boundedListener struct {
	net.Listener

	mu   sync.Mutex
	open int
	from map[netip.Addr]int // addresses with a connection
}

// Accept returns the next connection that there is room for.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(c.RemoteAddr().String())
		if from.Is6() { // one site has a /64
			from = netip.PrefixFrom(from.WithZone(""), 64).Masked().Addr()
		}
		if l.enter(from) {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close()
	}
}

func (l *boundedListener) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= maxConnections || l.from[from] >= maxConnectionsOfAddress {
		return false
	}
	l.open++
	l.from[from]++
	return true
}

func (l *boundedListener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// boundedConn is counted until it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection, and makes room for another.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
