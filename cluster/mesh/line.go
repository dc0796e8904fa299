package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Times of a connection. Those for a step are of a round trip of 80 ms, several times over.
const (
	dialTime  = 3 * time.Second
	greetTime = 5 * time.Second
	writeTime = 5 * time.Second  // for 64 KiB
	idleTime  = 10 * time.Second // without a heartbeat
	frameTime = 30 * time.Second // for what has begun
)

var errReplaced = errors.New("another connection takes its place")

// line is a connection with a peer.
type line struct {
	*tls.Conn
	raw      *counted
	entry    *entry // nil: it is not known whose it is
	peer     Peer
	stream   wire.Stream
	accepted bool
	shown    *tls.Certificate // this node's
	hello    uint64           // Mesh.hellos before the hello that it was opened with

	once sync.Once
	why  error
	done chan struct{} // closed with the connection
}

// wrap prepares a connection for TLS, and counts what goes over it.
func wrap(raw net.Conn) *line {
	tune(raw)
	return &line{raw: count(raw), done: make(chan struct{})}
}

// shut closes the connection at once: nobody waits for a peer to be told. The first reason counts.
func (l *line) shut(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.done)
		_ = l.raw.Close() // there is nothing to do about it
	})
}

// ended returns why the connection ended: the reason it was shut for, or what the network said.
func (l *line) ended(err error) error {
	l.shut(err)
	return l.why
}

// within calls f, and shuts the connection when ctx ends before it does.
func (l *line) within(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { l.shut(context.Cause(ctx)) })
	defer stop()
	return f()
}

// write sends a message and waits until the system has taken it.
func (l *line) write(message any) error { return l.writeUntil(message, nil) }

// writeUntil is write that hurries after stop.
func (l *line) writeUntil(message any, stop <-chan struct{}) error {
	frame, err := wire.Append(nil, message)
	if err != nil {
		return err
	}
	return l.writeAll(frame, stop)
}

// writeAll writes in pieces, each with a deadline, until stop: then what is left hurries.
func (l *line) writeAll(data []byte, stop <-chan struct{}) error {
	const piece = 64 << 10
	for len(data) > 0 {
		err := l.SetWriteDeadline(time.Now().Add(writeTime))
		select {
		case <-stop: // looked at afterwards: the long deadline may have taken the place of the short one
			err = l.SetWriteDeadline(time.Now().Add(flushTime))
		default:
		}
		if err != nil {
			return err
		}
		n := min(len(data), piece)
		if _, err := l.Conn.Write(data[:n]); err != nil {
			return slow(err)
		}
		data = data[n:]
	}
	return nil
}

// slow says what a deadline means.
func slow(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return ErrSlow
	}
	return err
}

// read reads a message, which has to begin within wait; 0: at any time.
func (l *line) read(limit int, wait time.Duration) (any, error) {
	var deadline time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	if err := l.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	message, err := wire.Read(l.Conn, limit, func() { _ = l.SetReadDeadline(time.Now().Add(frameTime)) }) // a closed one says so at the read
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the peer closed the connection")
	}
	return message, err
}

// remote returns where the other end is.
func remote(c net.Conn) netip.AddrPort {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		a := t.AddrPort()
		return netip.AddrPortFrom(plain(a.Addr()), a.Port())
	}
	a, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // of another network, in tests
	return netip.AddrPortFrom(plain(a.Addr()), a.Port())
}
