package loop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

var errHandshake = errors.New("the TLS handshake failed")

// secure is TLS on a connection of a loop: crypto/tls above, a gnet connection below. During
// the handshake a goroutine reads, and waits for bytes; afterwards the loop reads, and
// what is not there yet is an error that crypto/tls does not keep.
type secure struct {
	conn *Conn
	tls  *tls.Conn
	done chan error // of the handshake; holds one value

	shaken atomic.Bool // the loop reads from now on
	plain  []byte      // decrypted, not yet a whole message; the loop's own

	mu      sync.Mutex
	arrived *sync.Cond
	in      bytes.Buffer // encrypted, not yet read; empty between calls of traffic once hands are shaken
	ended   bool
}

func newSecure(c *Conn, over func(*secure) *tls.Conn) *secure {
	s := &secure{conn: c, done: make(chan error, 1)}
	s.arrived = sync.NewCond(&s.mu)
	s.tls = over(s)
	return s
}

// begin shakes hands on a goroutine of its own, if not too many do.
func (s *secure) begin() {
	l := s.conn.loop
	s.conn.shaking.Store(true)
	select {
	case l.shake <- struct{}{}:
	default:
		s.done <- ErrBusyHandshakes
		s.conn.CloseFor(ErrBusyHandshakes)
		return
	}
	go func() {
		defer func() { <-l.shake }()
		ctx, cancel := context.WithTimeout(context.Background(), l.cfg.Limits.Handshake)
		defer cancel()
		stop := context.AfterFunc(ctx, s.end) // wakes a Read that waits
		err := s.tls.HandshakeContext(ctx)
		stop()
		if err != nil {
			err = fmt.Errorf("%w: %w", errHandshake, err)
			s.done <- err
			s.conn.CloseFor(err)
			return
		}
		s.conn.last.Store(time.Now().UnixNano())
		s.conn.shaking.Store(false)
		s.shaken.Store(true)
		s.done <- nil
		_ = s.conn.g.Wake(nil) // messages may have come with the end of the handshake
	}()
}

// chunk is what is decrypted at a time: a TLS record's most (RFC 8446 section 5.1).
const chunk = 16 << 10

var chunks = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// traffic takes encrypted bytes, and delivers the messages in them once hands are
// shaken. It runs on the loop.
func (s *secure) traffic(b []byte) error {
	shaken, tooMuch := s.arrive(b)
	if !shaken {
		if tooMuch {
			return fmt.Errorf("%w: too many bytes before it is done", errHandshake)
		}
		return nil
	}
	defer s.release()
	scratch := chunks.Get().(*[]byte)
	defer chunks.Put(scratch)
	for {
		n, err := s.tls.Read(*scratch)
		if n > 0 {
			if err := s.take((*scratch)[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, errNothingYet):
			return nil
		case errors.Is(err, io.EOF):
			return ErrPeerClosed
		default:
			return fmt.Errorf("read from TLS: %w", err)
		}
	}
}

// arrive puts b where Read finds it: without a copy when it is read before traffic
// returns.
func (s *secure) arrive(b []byte) (shaken, tooMuch bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shaken = s.shaken.Load(); shaken && s.in.Len() == 0 {
		s.in = *bytes.NewBuffer(b)
		return true, false
	}
	s.in.Write(b)
	s.arrived.Signal()
	return shaken, s.in.Len() > s.conn.loop.cfg.Limits.Message+chunk
}

// release lets go of what Read had: an idle connection has no buffer.
func (s *secure) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in = bytes.Buffer{}
}

// take delivers what is whole and keeps the rest. Mostly there is no rest, and nothing
// is copied.
func (s *secure) take(b []byte) error {
	if len(s.plain) > 0 {
		s.plain = append(s.plain, b...)
		b = s.plain
	}
	done, err := s.conn.take(b)
	switch rest := b[done:]; {
	case err != nil:
		return err
	case len(rest) == 0:
		s.plain = nil
	default:
		s.plain = append(s.plain[:0], rest...)
	}
	return nil
}

// end lets a Read that waits return.
func (s *secure) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.arrived.Broadcast()
}

// closed ends it, and reports whether the handshake had been done.
func (s *secure) closed() bool {
	s.end()
	return s.shaken.Load()
}

// Read implements net.Conn for crypto/tls.
func (s *secure) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.in.Len() == 0 {
		switch {
		case s.ended:
			return 0, io.EOF
		case s.shaken.Load():
			return 0, errNothingYet
		}
		s.arrived.Wait()
	}
	return s.in.Read(p)
}

// Write implements net.Conn for crypto/tls, which uses p again.
func (s *secure) Write(p []byte) (int, error) {
	if err := s.conn.write(bytes.Clone(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close implements net.Conn. crypto/tls calls it when a handshake takes too long.
func (s *secure) Close() error {
	if s.shaken.Load() {
		s.conn.CloseFor(ErrEnding)
	} else {
		s.conn.CloseFor(ErrSlowHandshake)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (s *secure) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.conn.local) }

// RemoteAddr implements net.Conn.
func (s *secure) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.conn.key.remote) }

// SetDeadline implements net.Conn. Times are kept by the loop.
func (s *secure) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *secure) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *secure) SetWriteDeadline(time.Time) error { return nil }

// nothingYet says that more bytes are to come. crypto/tls goes on after an error that is
// both Timeout and Temporary, and keeps any other for ever.
type nothingYet struct{}

var errNothingYet error = nothingYet{}

func (nothingYet) Error() string { return os.ErrDeadlineExceeded.Error() }
func (nothingYet) Timeout() bool { return true }

// Temporary implements net.Error.
func (nothingYet) Temporary() bool { return true }
