package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// listener is a TCP or, with a configuration for it, a TLS listener.
type listener struct {
	*net.TCPListener
	tls *tls.Config
}

func (l *Loop) listen(at netip.AddrPort, secure *tls.Config) error {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return fmt.Errorf("listen for signalling on %s: %w", at, err)
	}
	l.listeners = append(l.listeners, &listener{ln, secure})
	return nil
}

// shortWait is the pause after an accept that failed for want of something.
const shortWait = 50 * time.Millisecond

// accept takes connections until its listener is closed. Without descriptors it waits:
// those that others give back are taken up again.
func (l *Loop) accept(ctx context.Context, ln *listener) {
	for {
		conn, err := ln.AcceptTCP()
		switch {
		case err == nil:
			l.admitted(conn, ln.tls)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		l.countScarce(err)
		select {
		case <-time.After(shortWait):
		case <-ctx.Done():
			return
		}
	}
}

// countScarce counts what failed because the process has no descriptor left.
func (l *Loop) countScarce(err error) {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		l.stats.noDescriptors.Add(1)
	}
}

// admitted takes one connection onto a loop, unless there are too many.
func (l *Loop) admitted(conn *net.TCPConn, cfg *tls.Config) {
	remote := addrPort(conn.RemoteAddr())
	if err := l.admit.take(remote.Addr()); err != nil {
		l.stats.refusedFull.Add(1)
		_ = conn.Close()
		return
	}
	c := l.newConn(conn, connKey{transport: TCP, remote: remote})
	if cfg != nil {
		c.key.transport = TLS
		c.secure = newSecure(c, func(s *secure) *tls.Conn { return tls.Server(s, cfg) })
	}
	l.stats.accepted.Add(1)
	_ = l.enroll(conn, c) // nobody waits to hear of it
}

func (l *Loop) newConn(conn *net.TCPConn, key connKey) *Conn {
	c := &Conn{loop: l, key: key, local: addrPort(conn.LocalAddr()), framer: l.cfg.NewFramer(), opened: time.Now()}
	c.last.Store(c.opened.UnixNano())
	return c
}

// enroll hands a connection to a loop. When it fails nothing of it is left.
func (l *Loop) enroll(conn *net.TCPConn, c *Conn) error {
	if _, err := l.streams.EnrollContext(conn, c); err != nil {
		l.countScarce(err) // gnet needs a second one for a moment
		_ = conn.Close()
		l.admit.give(c.key.remote.Addr())
		return fmt.Errorf("take a connection onto a loop: %w", err)
	}
	return nil
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// streamEvents is what gnet calls for streams.
type streamEvents struct {
	gnet.BuiltinEventEngine
	loop *Loop
}

// OnOpen implements gnet.EventHandler.
func (e *streamEvents) OnOpen(g gnet.Conn) ([]byte, gnet.Action) {
	c := g.Context().(*Conn)
	c.g = g
	l := e.loop
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.byKey[c.key] = c
	l.mu.Unlock()
	if c.secure != nil {
		c.secure.begin()
	}
	return nil, gnet.None
}

// OnTraffic implements gnet.EventHandler. It is also called, without bytes, when a
// handshake is done.
func (e *streamEvents) OnTraffic(g gnet.Conn) gnet.Action {
	c := g.Context().(*Conn)
	b, _ := g.Peek(-1)
	done, err := len(b), error(nil)
	switch {
	case c.Why() != nil: // it closes when what waits to be sent is sent
	case c.secure != nil:
		err = c.secure.traffic(b)
	default:
		done, err = c.take(b)
	}
	if err != nil {
		done = len(b)
		c.CloseFor(err)
	}
	if done > 0 { // gnet takes 0 for everything
		_, _ = g.Discard(done)
	}
	return gnet.None
}

// OnClose implements gnet.EventHandler.
func (e *streamEvents) OnClose(g gnet.Conn, _ error) gnet.Action {
	c := g.Context().(*Conn)
	l := e.loop
	closed := ErrPeerClosed
	c.why.CompareAndSwap(nil, &closed)
	l.mu.Lock()
	delete(l.conns, c)
	if l.byKey[c.key] == c {
		delete(l.byKey, c.key)
	}
	l.mu.Unlock()
	l.admit.give(c.key.remote.Addr())
	shown := true
	if c.secure != nil {
		shown = c.secure.closed()
	}
	if shown {
		l.cfg.Handler.Closed(c)
	}
	return gnet.None
}

// Find returns an open connection to that end, nil when there is none. name is the one a
// dialled TLS connection was verified for, empty for TCP and for accepted connections.
func (l *Loop) Find(t Transport, remote netip.AddrPort, name string) *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.byKey[connKey{t, remote, name}]
	if c == nil || c.Why() != nil || c.shaking.Load() {
		return nil
	}
	return c
}

// deliver hands one message to the handler. A handler that panics loses that message
// only.
func (l *Loop) deliver(from Source, data []byte) {
	l.stats.messages[from.Transport].Add(1)
	if from.Conn != nil && !l.rates.allow(from.Remote.Addr(), time.Now()) {
		l.stats.overRate.Add(1)
		from.OverRate = true
	}
	defer func() {
		if r := recover(); r != nil {
			l.stats.panics.Add(1)
			if l.cfg.Panicked != nil {
				l.cfg.Panicked(from, data, r)
			}
		}
	}()
	l.cfg.Handler.Message(from, data)
}

func (l *Loop) countClosed(why error) {
	switch {
	case errors.Is(why, ErrSlowMessage), errors.Is(why, ErrSlowHandshake), errors.Is(why, ErrIdle):
		l.stats.closedSlow.Add(1)
	case errors.Is(why, ErrSlowReader):
		l.stats.closedReader.Add(1)
	case errors.Is(why, errHandshake), errors.Is(why, ErrBusyHandshakes):
		l.stats.handshakes.Add(1)
	case errors.Is(why, ErrEnding), errors.Is(why, ErrPeerClosed):
	default:
		l.stats.closedMalformed.Add(1)
	}
}
