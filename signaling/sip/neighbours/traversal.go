package neighbours

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/zones"
	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transaction"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// lostAfter is when a client that does not ask any more is gone. It asks each 20 s, and
// may fail to twice.
const lostAfter = 90 * time.Second

// clients are those that are connected to a traversal server zone, each in a slot.
type clients [zones.MaxPeers]atomic.Pointer[client]

// client is one that has logged in over a connection. It never changes.
type client struct {
	conn *loop.Conn
	load Load
	tell bool // it says how many sessions it carries
	last time.Time
}

func (l *line) slot(i int) *client {
	if l == nil || l.clients == nil || i >= len(l.clients) {
		return nil
	}
	return l.clients[i].Load()
}

func (c *client) hops() []transport.Hop {
	if c == nil {
		return nil
	}
	return []transport.Hop{{Transport: c.conn.Transport(), Remote: c.conn.Remote(), Local: c.conn.Local().Addr(), Conn: c.conn, Only: true}}
}

func (c *client) state() zones.PeerState {
	switch {
	case c == nil:
		return zones.PeerState{Silent: true}
	case c.tell:
		return zones.PeerState{Known: true, Free: c.load.free(), Maintenance: c.load.Maintenance}
	}
	return zones.PeerState{}
}

// Listen returns the ports of traversal server zones, which SIP listens on besides its
// own: a zone's port is what tells its clients apart before they have said who they are.
func Listen(n *config.Node) (tcp, tls []uint16) {
	for i := range n.Zones {
		z := &n.Zones[i]
		if z.Type != config.ZoneTraversalServer || !z.Protocol.SIP() || z.Traversal.SIPPort == 0 {
			continue
		}
		if transportOf(z, uint16(z.Traversal.SIPPort)) == loop.TCP {
			tcp = append(tcp, uint16(z.Traversal.SIPPort))
		} else {
			tls = append(tls, uint16(z.Traversal.SIPPort))
		}
	}
	return tcp, tls
}

// Login takes a request that came to the port of a traversal server zone over a connection
// that has not logged in. Only OPTIONS with the zone's account, and with tls_verify only
// from who has shown its certificate, makes it the zone's. It returns true when the
// request is answered; false: it is nothing of this, or the login is done and the request
// is to be answered like any other.
func (n *Neighbours) Login(t *transaction.Server) bool {
	src := t.Source()
	l := n.now.Load().ports[src.Local.Port()]
	if l == nil || src.Conn == nil || src.Conn.Dialled() {
		return false
	}
	_, in := n.conns.Load(src.Conn)
	options := t.Request().Method() == message.Options
	switch {
	case in && !options:
		return false
	case in:
		n.note(l, src.Conn, t.Request())
		return false
	case !options, n.deps.Passwords == nil, l.account.user == "", !n.certified(l, src):
		t.Reply(403, "")
		return true
	case !n.deps.Passwords.Prove(t, l.account.user):
		return true
	case !n.note(l, src.Conn, t.Request()):
		t.Reply(503, "", func(m *message.Message) { m.Set("Retry-After", "60") })
		return true
	}
	if src.Conn.Why() != nil { // closed meanwhile: nobody else would say so
		n.Closed(src.Conn)
	}
	return false
}

// certified says whether a client has shown the certificate that its zone wants.
func (n *Neighbours) certified(l *line, src loop.Source) bool {
	if !l.settings.Verify {
		return true
	}
	for _, name := range n.deps.Ways.PeerNames(src.Conn) {
		if l.settings.Name != "" && fold(name) == l.settings.Name {
			return true
		}
	}
	return false
}

// note puts a client into a slot, or what it says now into the one that it has. False: all
// slots are taken.
func (n *Neighbours) note(l *line, c *loop.Conn, m *message.Message) bool {
	next := &client{conn: c, last: time.Now()}
	next.load, next.tell = parseLoad(m.Get(Header))
	n.mu.Lock()
	defer n.mu.Unlock()
	free := -1
	for i := range l.clients {
		was := l.clients[i].Load()
		if was != nil && was.conn == c {
			free = i
			break
		}
		if was == nil && free < 0 {
			free = i
		}
	}
	if free < 0 {
		return false
	}
	if _, there := n.conns.LoadOrStore(c, l.name); !there {
		c.Keep(true)
		n.deps.Log.Event("Traversal Client Connected", "Zone", l.name, "Src-ip", c.Remote().Addr(), "Src-port", c.Remote().Port())
	}
	l.clients[free].Store(next)
	return true
}

// Closed says that a connection has gone (transport.Config.Closed).
func (n *Neighbours) Closed(c *loop.Conn) {
	if c.Dialled() {
		n.lost(c.Remote())
		return
	}
	name, ok := n.conns.LoadAndDelete(c)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.now.Load().lines[name.(string)]; l != nil && l.clients != nil {
		for i := range l.clients {
			if was := l.clients[i].Load(); was != nil && was.conn == c {
				l.clients[i].Store(nil)
			}
		}
	}
	n.deps.Log.Warn("Traversal Client Lost", "Zone", name, "Reason", c.Why(), "Src-ip", c.Remote().Addr(), "Src-port", c.Remote().Port())
}

// lost has the traversal clients that were connected to an address connect again.
func (n *Neighbours) lost(remote netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.now.Load()
	for k, w := range n.watches {
		if p := t.find(k); w.login == nil || p == nil || !slices.ContainsFunc(p.hops, func(h transport.Hop) bool { return h.Remote == remote }) {
			continue
		}
		w.shard.Post(w.hurry) // without room on the shard it asks when it would have asked
	}
}

// sweep closes connections of clients that have fallen silent, or whose zone has gone.
func (n *Neighbours) sweep(now time.Time) {
	t := n.now.Load()
	n.conns.Range(func(conn, name any) bool {
		if c := t.lines[name.(string)].of(conn.(*loop.Conn)); c == nil || now.Sub(c.last) > lostAfter {
			conn.(*loop.Conn).CloseFor(loop.ErrIdle)
		}
		return true
	})
}

// of returns the client of a connection.
func (l *line) of(conn *loop.Conn) *client {
	if l == nil || l.clients == nil {
		return nil
	}
	for i := range l.clients {
		if c := l.clients[i].Load(); c != nil && c.conn == conn {
			return c
		}
	}
	return nil
}
