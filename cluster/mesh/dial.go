package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// sourceTries is how many source ports are tried until one is free.
const sourceTries = 16

// dial connects to an address from the clustering interface and a port of the range (CL-08).
func (m *Mesh) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if m.cfg.Dial != nil {
		return m.cfg.Dial(ctx, to)
	}
	first, last := m.cfg.SourcePorts[0], m.cfg.SourcePorts[1]
	for try := 0; ; try++ {
		from := netip.AddrPortFrom(m.cfg.Local, 0)
		if first > 0 && last >= first {
			from = netip.AddrPortFrom(m.cfg.Local, first+uint16(rand.IntN(int(last-first)+1)))
		}
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), KeepAliveConfig: keepAlive()}
		c, err := d.DialContext(ctx, "tcp", to.String())
		taken := errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
		if !taken || try == sourceTries || first == 0 {
			return c, err
		}
	}
}

// listen opens a port for peers.
func (m *Mesh) listen(at netip.AddrPort) (net.Listener, error) {
	if m.cfg.Listen != nil {
		return m.cfg.Listen(at)
	}
	l := net.ListenConfig{KeepAliveConfig: keepAlive()}
	return l.Listen(context.Background(), "tcp", net.TCPAddrFromAddrPort(at).String()) // of all addresses where there is none
}

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
}

// open dials an entry, proves and judges, and returns a connection that stands.
func (m *Mesh) open(ctx context.Context, e *entry, stream wire.Stream) (*line, error) {
	addr, err := m.target(ctx, e)
	if err != nil {
		return nil, err
	}
	port := m.cfg.Port
	if stream == wire.Recovery {
		port = m.cfg.RecoveryPort
	}
	to := netip.AddrPortFrom(addr, port)
	dialling, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := m.dial(dialling, to)
	if err != nil {
		return nil, unreachable(err)
	}
	l := wrap(raw)
	l.entry, l.stream = e, stream
	greeting, cancel := context.WithTimeoutCause(ctx, greetTime, errors.New("it does not answer in time"))
	defer cancel()
	if err := l.within(greeting, func() error { return m.greet(l, to) }); err != nil {
		return nil, l.ended(err)
	}
	return l, nil
}

// unreachable says what a failure to connect tells: who hangs up at once does not know this node's address.
func unreachable(err error) error {
	if isEnd(err) {
		return fmt.Errorf("%w: is this node's address in the list there? %w", err, ErrUnreachable)
	}
	return fmt.Errorf("%w: %w", err, ErrUnreachable)
}

// greet opens a stream on a connection that was dialled.
func (m *Mesh) greet(l *line, to netip.AddrPort) error {
	cfg := m.tls(l, protocolOf(l.stream))
	if _, err := netip.ParseAddr(l.entry.address); err != nil {
		cfg.ServerName = l.entry.address
	}
	l.Conn = tls.Client(l.raw, cfg)
	if err := l.Handshake(); err != nil {
		return fmt.Errorf("TLS with %s: %w", to, unreachable(err))
	}
	state := l.ConnectionState()
	if state.NegotiatedProtocol != protocolOf(l.stream) {
		return fmt.Errorf("no agreement on a protocol: %w", ErrProtocol)
	}
	if err := m.judgeKey(l.entry, state.PeerCertificates); err != nil {
		return err
	}
	l.hello = m.hellos.Load()
	if err := l.write(wire.Open{Stream: l.stream, Hello: m.says()}); err != nil {
		return err
	}
	answer, err := l.read(wire.MaxFrame, 0) // the greeting has its time
	if err != nil {
		return fmt.Errorf("%s does not say who it is: %w: %w", to, err, ErrUnreachable)
	}
	switch answer := answer.(type) {
	case wire.Welcome:
		return m.welcomed(l, answer.Hello, to)
	case wire.Refused:
		return fmt.Errorf("it says: %s: %w", answer.Why, ErrRefused)
	}
	return fmt.Errorf("%T instead of a welcome: %w", answer, ErrProtocol)
}

// welcomed judges who answered.
func (m *Mesh) welcomed(l *line, h wire.Hello, at netip.AddrPort) error {
	chain := l.ConnectionState().PeerCertificates
	if err := m.judge(l.entry, h, chain, l.stream != wire.Recovery); err != nil {
		return err
	}
	switch {
	case l.stream == wire.Raft && !m.joined(h):
		return ErrCluster
	case l.stream == wire.Recovery:
		l.peer = Peer{ID: h.ID, Address: l.entry.address, Addr: at, Hello: h, Key: keyOf(chain[0])}
		return nil
	}
	return m.stand(l, h, at)
}

// joined says whether a node has properly joined the cluster of this one (CL-02).
func (m *Mesh) joined(h wire.Hello) bool {
	own := m.cfg.Hello().Cluster
	return own != "" && h.Cluster == own
}

// protocolOf returns the ALPN of a stream.
func protocolOf(s wire.Stream) string {
	switch s {
	case wire.Requests:
		return alpnRequests
	case wire.Raft:
		return alpnRaft
	case wire.Recovery:
		return alpnRecovery
	}
	return alpnRows
}
