package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"turnpike.dev/turnpike/cluster/wire"
)

// stand makes a connection one of its entry's.
func (m *Mesh) stand(l *line, h wire.Hello, at netip.AddrPort) error {
	l.peer = Peer{ID: h.ID, Address: l.entry.address, Addr: at, Hello: h, Key: keyOf(l.ConnectionState().PeerCertificates[0])}
	return m.add(l)
}

// serve does with an accepted connection what it is for.
func (m *Mesh) serve(ctx context.Context, l *line) {
	defer m.remove(l)
	stop := context.AfterFunc(ctx, func() { l.shut(errEnding) })
	defer stop()
	switch l.stream {
	case wire.Rows, wire.Bulk:
		m.receiving(l)
	case wire.Requests:
		m.answer(ctx, l)
	case wire.Raft:
		m.handOver(ctx, l)
	case wire.Recovery:
		m.recover(ctx, l)
	}
}

// connected tells of a connection that stands.
func (m *Mesh) connected(l *line) {
	if l.stream != wire.Rows {
		return
	}
	m.cfg.Log.Event("Cluster Connection Established", "Peer", l.entry.address, "Peer-id", l.peer.ID, l.end(), l.peer.Addr.Addr(), "Detail", l.direction())
	m.cfg.Handler.Connected(l.peer)
}

// closed tells that it ended; not if another has taken its place.
func (m *Mesh) closed(l *line, why error) {
	if l.stream != wire.Rows || errors.Is(why, errReplaced) {
		return
	}
	say, event := m.cfg.Log.Warn, "Cluster Connection Lost"
	if errors.Is(why, errEnding) || errors.Is(why, errGone) || errors.Is(why, errRenewed) {
		say, event = m.cfg.Log.Event, "Cluster Connection Ended"
	}
	say(event, "Peer", l.entry.address, "Peer-id", l.peer.ID, l.end(), l.peer.Addr.Addr(), "Detail", fmt.Sprintf("%s: %v", l.direction(), why))
	m.cfg.Handler.Closed(l.peer, why)
}

// end names the other end as the log does.
func (l *line) end() string {
	if l.accepted {
		return "Src-ip"
	}
	return "Dst-ip"
}

func (l *line) direction() string {
	if l.accepted {
		return "accepted"
	}
	return "dialled"
}

// receiving takes the messages of a peer until the connection ends.
func (m *Mesh) receiving(l *line) {
	if l.stream == wire.Rows {
		l.entry.met()
	}
	m.connected(l)
	err := l.ended(m.receive(l))
	m.remove(l)
	m.closed(l, err)
	if errors.Is(err, ErrProtocol) {
		m.refuse(l.entry, l.peer.Addr, err)
	}
}

var errSilent = fmt.Errorf("nothing was heard for %s", idleTime)

func (m *Mesh) receive(l *line) error {
	limit, wait := wire.MaxFrame, idleTime
	if l.stream == wire.Bulk {
		limit, wait = wire.MaxDocument+wire.MaxFrame, 0
	}
	for {
		message, err := l.read(limit, wait)
		if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
			return errSilent
		}
		if err != nil {
			return malformed(err)
		}
		l.entry.traffic[l.stream].heard.Add(1)
		switch message := message.(type) {
		case wire.Hello:
			if message.ID != l.peer.ID {
				return fmt.Errorf("it says it is another node now: %w", ErrProtocol)
			}
			m.renewed(l, message)
		case wire.Refused:
			return fmt.Errorf("it says: %s: %w", message.Why, ErrRefused)
		case wire.Open, wire.Welcome, wire.Request, wire.Answer, wire.Question, wire.Probe:
			return fmt.Errorf("a message that does not belong here: %w", ErrProtocol)
		default:
			m.cfg.Handler.Received(l.peer, message)
		}
	}
}

// renewed takes what a peer says of itself now. What it has said before, on whatever connection, comes too late; then it is the
// later one that is told: one that opened a stream of another kind was told to nobody. A later process opens connections of its own.
func (m *Mesh) renewed(l *line, h wire.Hello) {
	m.mu.Lock()
	if k := l.entry.known; k != nil && k.ID == h.ID && h.Before(k.Hello) {
		if h.Incarnation != k.Hello.Incarnation {
			m.mu.Unlock()
			return
		}
		h = k.Hello
	}
	if was := l.peer.Hello; h.Number > 0 && !was.Before(h) && !h.Before(was) {
		m.mu.Unlock()
		return // it was told
	}
	l.peer.Hello = h
	p := l.peer
	if l.entry.known != nil && l.entry.known.ID == p.ID {
		l.entry.known = &p
	}
	m.mu.Unlock()
	m.cfg.Handler.Connected(p)
}

// malformed marks what a peer must not send.
func malformed(err error) error {
	for _, e := range []error{wire.ErrTooLarge, wire.ErrUnknown, wire.ErrInvalid} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", err, ErrProtocol)
		}
	}
	return err
}

// isEnd says whether the other end just went away.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
