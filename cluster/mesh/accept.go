package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Bounds of those who have not proved yet who they are.
const (
	maxWaiting     = 64 // in all
	maxWaitingFrom = 16 // from one address
	acceptPause    = 50 * time.Millisecond
)

// gate counts who waits to be let in.
type gate struct {
	mu   sync.Mutex
	all  int
	from map[netip.Addr]int
}

func (g *gate) enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= maxWaiting || g.from[a] >= maxWaitingFrom {
		return false
	}
	if g.from == nil {
		g.from = make(map[netip.Addr]int)
	}
	g.all++
	g.from[a]++
	return true
}

func (g *gate) leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[a]--; g.from[a] == 0 {
		delete(g.from, a)
	}
}

// accept takes connections until the door is closed. Nothing in the loop waits for who knocks.
func (m *Mesh) accept(ctx context.Context, door net.Listener, recovery bool) {
	for {
		raw, err := door.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = raw.Close() // nobody is there any more
			}
			return
		case err != nil:
			m.cfg.Log.Warn("Cluster Connection Not Accepted", "Detail", err)
			select { // out of file descriptors, mostly
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
		default:
			m.knock(ctx, raw, recovery)
		}
	}
}

// knock lets those in who come from an address of the list: the others do not get as far as TLS.
func (m *Mesh) knock(ctx context.Context, raw net.Conn, recovery bool) {
	from := remote(raw)
	why := ErrUnlisted
	if len(m.candidates(from.Addr())) > 0 {
		if m.waiting.enter(from.Addr()) {
			m.work.Go(func() { m.admit(ctx, raw, from, recovery) })
			return
		}
		why = ErrBusy
	} else if m.told.due("resolve") { // its address may have changed a moment ago
		m.hurryAll()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // what strangers leave behind takes no memory here
	}
	_ = raw.Close() // it is refused
	m.refuse(nil, from, why)
}

// admit finds out who it is, and serves.
func (m *Mesh) admit(ctx context.Context, raw net.Conn, from netip.AddrPort, recovery bool) {
	l := wrap(raw)
	l.accepted = true
	greeting, cancel := context.WithTimeoutCause(ctx, greetTime, errors.New("it does not say who it is in time"))
	err := l.within(greeting, func() error { return m.meet(l, from, recovery) })
	cancel()
	if err != nil {
		m.turnAway(ctx, l, from, err)
	}
	m.waiting.leave(from.Addr())
	if err == nil {
		m.serve(ctx, l)
	}
}

// turnAway tells both sides why somebody is refused.
func (m *Mesh) turnAway(ctx context.Context, l *line, from netip.AddrPort, why error) {
	select {
	case <-l.done: // it took too long, or this node ends
		why = l.why
	default:
	}
	if !errors.Is(why, errPassing) && ctx.Err() == nil {
		m.refuse(l.entry, from, why)
		m.sayWhy(l, why)
	}
	l.shut(why)
}

// errPassing is of who only sees whether the port is open.
var errPassing = errors.New("closed before anything was said")

// meet answers who dialled: welcome, or why not.
func (m *Mesh) meet(l *line, from netip.AddrPort, recovery bool) error {
	protocols := []string{alpnRows, alpnRequests, alpnRaft}
	if recovery {
		protocols = []string{alpnRecovery}
	}
	l.Conn = tls.Server(l.raw, m.tls(l, protocols...))
	if err := l.Handshake(); err != nil {
		if isEnd(err) {
			return errPassing
		}
		return fmt.Errorf("TLS: %w: %w", err, ErrProtocol)
	}
	state := l.ConnectionState()
	if l.entry = m.whose(from.Addr(), state.PeerCertificates); l.entry == nil {
		return ErrUnlisted
	}
	h, err := m.hear(l, state)
	if err != nil {
		return err
	}
	if err := m.stand(l, h, from); err != nil {
		return err
	}
	if err := l.write(wire.Welcome{Hello: m.says()}); err != nil {
		m.remove(l)
		return err
	}
	return nil
}

// hear judges who dialled.
func (m *Mesh) hear(l *line, state tls.ConnectionState) (wire.Hello, error) {
	if state.NegotiatedProtocol == "" {
		return wire.Hello{}, fmt.Errorf("it names no protocol (ALPN): %w", ErrProtocol)
	}
	if err := m.judgeKey(l.entry, state.PeerCertificates); err != nil {
		return wire.Hello{}, err
	}
	message, err := l.read(wire.MaxFrame, 0) // the greeting has its time
	if err != nil {
		return wire.Hello{}, fmt.Errorf("%w: %w", err, ErrProtocol)
	}
	open, ok := message.(wire.Open)
	if !ok || protocolOf(open.Stream) != state.NegotiatedProtocol {
		return wire.Hello{}, fmt.Errorf("it opens no stream of %s: %w", state.NegotiatedProtocol, ErrProtocol)
	}
	l.stream = open.Stream
	if err := m.judge(l.entry, open.Hello, state.PeerCertificates, l.stream != wire.Recovery); err != nil {
		return wire.Hello{}, err
	}
	if l.stream == wire.Raft && !m.joined(open.Hello) {
		return wire.Hello{}, ErrCluster
	}
	return open.Hello, nil
}

// sayWhy tells a peer why it is refused, and lets it read that before the connection ends. Strangers are told nothing.
func (m *Mesh) sayWhy(l *line, why error) {
	if l.entry == nil || !l.ConnectionState().HandshakeComplete {
		return
	}
	if l.write(wire.Refused{Why: why.Error()}) != nil || l.CloseWrite() != nil || l.SetReadDeadline(time.Now().Add(dialTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, l.raw, wire.MaxFrame) // closing over what was not read would take the reason back
}
