package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Target is where a connection is dialled to.
type Target struct {
	Remote netip.AddrPort
	Local  netip.Addr  // address to come from; invalid: whichever the route has
	TLS    *tls.Config // nil: TCP. ServerName is the name that is verified
}

// Dial opens a connection, and returns when messages can be sent over it.
func (l *Loop) Dial(ctx context.Context, to Target) (*Conn, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.dials.Done()
	if err := l.admit.take(to.Remote.Addr()); err != nil {
		return nil, err
	}
	conn, err := l.connect(ctx, to)
	if err != nil {
		l.admit.give(to.Remote.Addr())
		return nil, fmt.Errorf("connect to %s: %w", to.Remote, err)
	}
	c := l.newConn(conn, connKey{transport: TCP, remote: to.Remote})
	c.dialled = true
	if to.TLS != nil {
		c.key.transport, c.key.name = TLS, to.TLS.ServerName
		c.secure = newSecure(c, func(s *secure) *tls.Conn { return tls.Client(s, to.TLS) })
	}
	if err := l.enroll(conn, c); err != nil {
		return nil, err
	}
	l.stats.dialled.Add(1)
	if c.secure == nil {
		return c, nil
	}
	select {
	case err = <-c.secure.done:
	case <-ctx.Done():
		err = ctx.Err()
		c.CloseFor(err)
	}
	if err != nil {
		return nil, fmt.Errorf("shake hands with %s: %w", to.Remote, err)
	}
	return c, nil
}

// enter lets a dial begin, unless signalling is not running.
func (l *Loop) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == nil || l.closing {
		return ErrNotRunning
	}
	l.dials.Add(1)
	return nil
}

// maxTries is how many local ports are tried for one connection.
const maxTries = 64

func (l *Loop) connect(ctx context.Context, to Target) (*net.TCPConn, error) {
	for tries := 1; ; tries++ {
		d := net.Dialer{Timeout: l.cfg.Limits.Handshake}
		from := netip.AddrPortFrom(to.Local, l.cfg.DialPorts.pick(&l.nextPort))
		if from.Port() != 0 {
			d.Control = reuseAddress
		}
		if from.Port() != 0 || from.Addr().IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
		conn, err := d.DialContext(ctx, "tcp", to.Remote.String())
		taken := errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL)
		switch {
		case err == nil:
			return conn.(*net.TCPConn), nil
		case from.Port() == 0 || !taken || tries == maxTries:
			return nil, err
		}
	}
}

// Ports is a range of local ports; the zero value is the system's own.
type Ports struct{ First, Last uint16 }

// pick returns one port after the other, 0 for the system's choice. The socket option for
// a range (IP_LOCAL_PORT_RANGE) does not help: it only narrows the system's own.
func (p Ports) pick(next *atomic.Uint32) uint16 {
	if p == (Ports{}) {
		return 0
	}
	size := uint32(p.Last-p.First) + 1
	return p.First + uint16(next.Add(1)%size)
}

// reuseAddress lets a port be used again while a connection from it to somebody else is
// open or has just ended.
func reuseAddress(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
	return errors.Join(err, failed)
}
