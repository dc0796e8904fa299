package loop

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// Conn is one stream, accepted or dialled.
type Conn struct {
	loop    *Loop
	key     connKey
	local   netip.AddrPort
	dialled bool

	g      gnet.Conn // set before anybody else sees the connection
	framer Framer
	secure *secure // TLS; nil for TCP

	opened  time.Time
	since   atomic.Int64 // Unix ns when the first byte of a message that is not whole came; 0: none
	last    atomic.Int64 // Unix ns of the last whole message, or of the opening
	shaking atomic.Bool
	kept    atomic.Bool
	waiting atomic.Int64 // bytes given to the loop and not yet to the socket
	why     atomic.Pointer[error]
	proved  atomic.Pointer[[sha256.Size]byte] // that the other end has proved; nil: not asked yet
	bound   atomic.Bool
}

// connKey is what a connection can be found by: name is the server name that a dialled TLS
// connection was verified for.
type connKey struct {
	transport Transport
	remote    netip.AddrPort
	name      string
}

// Transport returns TCP or TLS.
func (c *Conn) Transport() Transport { return c.key.transport }

// Local returns this end's address.
func (c *Conn) Local() netip.AddrPort { return c.local }

// Remote returns the other end's address.
func (c *Conn) Remote() netip.AddrPort { return c.key.remote }

// Dialled reports whether this end opened the connection.
func (c *Conn) Dialled() bool { return c.dialled }

// State returns what was agreed in the TLS handshake; false for TCP.
func (c *Conn) State() (tls.ConnectionState, bool) {
	if c.secure == nil {
		return tls.ConnectionState{}, false
	}
	return c.secure.tls.ConnectionState(), true
}

// Key returns the SHA-256 of the public key that the other end has proved; the zero one for TCP and
// where it showed no certificate.
func (c *Conn) Key() (key [sha256.Size]byte) {
	if k := c.proved.Load(); k != nil {
		return *k
	}
	state, ok := c.State()
	if !ok || !state.HandshakeComplete {
		return key
	}
	if len(state.PeerCertificates) > 0 {
		key = sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
	}
	c.proved.Store(&key)
	return key
}

// Bind says that what goes back to the other end goes to the holder of its key and to nobody else, also
// when this connection has gone.
func (c *Conn) Bind() { c.bound.Store(true) }

// Bound returns the key of a connection that is bound to it; the zero one where it is not.
func (c *Conn) Bound() (key [sha256.Size]byte) {
	if c.bound.Load() {
		return c.Key()
	}
	return key
}

// Keep says that the connection is wanted although nothing comes: somebody registered
// over it (RFC 5626), or a call uses it.
func (c *Conn) Keep(on bool) { c.kept.Store(on) }

// Why returns the reason for which the connection was closed, nil while it is open.
func (c *Conn) Why() error {
	if err := c.why.Load(); err != nil {
		return *err
	}
	return nil
}

// Send sends one message. It does not block; data may be used again when it returns. Who
// does not read is closed.
func (c *Conn) Send(data []byte) error {
	if err := c.Why(); err != nil {
		return err
	}
	if c.secure != nil {
		_, err := c.secure.tls.Write(data)
		return err
	}
	return c.write(bytes.Clone(data))
}

// write gives data to the loop, which keeps it.
func (c *Conn) write(data []byte) error {
	n := int64(len(data))
	if c.waiting.Add(n) > int64(c.loop.cfg.Limits.Outbound) {
		c.waiting.Add(-n)
		c.CloseFor(ErrSlowReader)
		return ErrSlowReader
	}
	return c.g.AsyncWrite(data, func(g gnet.Conn, err error) error {
		c.waiting.Add(-n)
		if err == nil && g.OutboundBuffered() > c.loop.cfg.Limits.Outbound {
			c.CloseFor(ErrSlowReader)
		}
		return nil
	})
}

// Close closes the connection after what was sent.
func (c *Conn) Close() { c.CloseFor(ErrEnding) }

// CloseFor closes the connection; the first reason stays.
func (c *Conn) CloseFor(err error) {
	if !c.why.CompareAndSwap(nil, &err) {
		return
	}
	c.loop.countClosed(err)
	if c.secure != nil {
		c.secure.end()
	}
	_ = c.g.Close() // it is closing already, or the loop does it
}

// lateFor returns for which time the connection is late, nil for none.
func (c *Conn) lateFor(now time.Time, l Limits) error {
	over := func(from int64, limit time.Duration) bool { return from != 0 && now.UnixNano()-from > int64(limit) }
	switch {
	case c.Why() != nil:
		return nil
	case c.shaking.Load():
		if now.Sub(c.opened) > l.Handshake {
			return ErrSlowHandshake
		}
	case over(c.since.Load(), l.Complete):
		return ErrSlowMessage
	case !c.kept.Load() && over(c.last.Load(), l.Idle):
		return ErrIdle
	}
	return nil
}

// take delivers the messages at the start of b, and returns how many bytes are done with.
func (c *Conn) take(b []byte) (int, error) {
	done := 0
	for {
		f, err := c.framer.Next(b[done:])
		if err != nil {
			return done, err
		}
		if len(f.Reply) > 0 {
			if err := c.Send(f.Reply); err != nil {
				return done, err
			}
		}
		done += f.Skip
		if f.Size > c.loop.cfg.Limits.Message {
			return done, ErrTooLarge
		}
		if f.Size > 0 {
			c.last.Store(time.Now().UnixNano())
			c.loop.deliver(Source{Transport: c.key.transport, Local: c.local, Remote: c.key.remote, Conn: c}, b[done:done+f.Size])
			done += f.Size
		}
		if c.Why() != nil { // the handler closed it
			return len(b), nil
		}
		if f.Skip == 0 && f.Size == 0 {
			break
		}
	}
	return done, c.rest(len(b) - done)
}

// rest notes that n bytes of a message are there that is not whole.
func (c *Conn) rest(n int) error {
	switch {
	case n == 0:
		c.since.Store(0)
	case n > c.loop.cfg.Limits.Message:
		return ErrTooLarge
	default:
		c.since.CompareAndSwap(0, time.Now().UnixNano())
	}
	return nil
}
