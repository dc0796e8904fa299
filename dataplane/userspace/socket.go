package userspace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// errClosed is bare so that sending allocates nothing.
var errClosed = net.ErrClosed

var errWildcard = errors.New("bind one address, not all: answers must leave from where the request came to")

// socket is one UDP descriptor on a loop.
type socket struct {
	relay   *Relay
	port    *port
	local   netip.AddrPort
	ipv4    bool
	handler func(relay.Socket, relay.Datagram)
	loop    *loop // under Relay.mu
	index   int   // in the loop

	listener atomic.Bool // anybody may send here
	behind   int         // turns in which there was more to take; touched by the loop only

	// mu keeps the descriptor from being closed, and so from meaning another socket,
	// during a system call, and lets a datagram with DF set leave alone.
	mu     sync.RWMutex
	fd     int
	closed atomic.Bool

	handling sync.Mutex // held while the handler runs
}

var _ relay.Socket = (*socket)(nil)

// Open binds a UDP socket to one address. Port 0 takes any free port. The system
// refuses more sockets than LimitNOFILE allows with an error that wraps
// syscall.EMFILE.
func (r *Relay) Open(local netip.AddrPort, handler func(relay.Socket, relay.Datagram)) (relay.Socket, error) {
	local = relay.Canonical(local)
	if !local.IsValid() || local.Addr().IsUnspecified() {
		return nil, fmt.Errorf("bind UDP %s: %w", local, errWildcard)
	}
	fd, err := listen(local)
	if err != nil {
		return nil, fmt.Errorf("bind UDP %s: %w", local, err)
	}
	if local, err = boundTo(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("bind UDP: %w", err), unix.Close(fd))
	}
	s := &socket{relay: r, local: local, ipv4: local.Addr().Is4(), handler: handler, fd: fd}
	if err := r.adopt(s); err != nil {
		return nil, errors.Join(fmt.Errorf("bind UDP %s: %w", local, err), unix.Close(fd))
	}
	return s, nil
}

// adopt makes the socket known to its port and a loop.
func (r *Relay) adopt(s *socket) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	s.port = r.port(s.local)
	s.port.mu.RLock()
	kind := s.port.kind
	s.port.mu.RUnlock()
	s.tune(kind)
	s.port.sock.Store(s)
	if err := r.place(s, kind); err != nil {
		s.port.sock.Store(nil)
		r.release(s.port)
		return err
	}
	return nil
}

// Local is the address the socket is bound to.
func (s *socket) Local() netip.AddrPort { return s.local }

// Send writes one datagram without waiting.
func (s *socket) Send(payload []byte, dst netip.AddrPort, m relay.Meta) error {
	dst = relay.Canonical(dst)
	if dst.Addr().Is4() != s.ipv4 || !dst.IsValid() {
		return fmt.Errorf("send from %s to %s: not of one address family", s.local, dst)
	}
	var to sockaddr
	size := to.set(dst)
	return s.sendOne(nil, payload, &to, size, m)
}

// sendOne sends a datagram that is in two parts. It allocates nothing.
func (s *socket) sendOne(header, payload []byte, to *sockaddr, size uint32, m relay.Meta) error {
	var c control
	var parts [2]unix.Iovec
	fill(&parts[0], header)
	fill(&parts[1], payload)
	msg := unix.Msghdr{Name: &to[0], Namelen: size, Iov: &parts[0], Iovlen: 2, Control: &c[0]}
	msg.Controllen = c.put(m, s.ipv4)
	return s.write(&msg, m.DontFragment && s.ipv4)
}

func (s *socket) write(msg *unix.Msghdr, alone bool) error {
	if alone {
		return s.writeAlone(msg)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return errClosed
	}
	if errno := sendmsg(s.fd, msg); errno != 0 {
		return errno
	}
	return nil
}

// writeAlone sends with DF set. IPv4 has no control message for it, so the socket is
// switched, and nobody else may send by it meanwhile.
func (s *socket) writeAlone(msg *unix.Msghdr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return errClosed
	}
	if err := setFragmenting(s.fd, false); err != nil {
		return fmt.Errorf("set DF: %w", err)
	}
	errno := sendmsg(s.fd, msg)
	if err := setFragmenting(s.fd, true); err != nil {
		return fmt.Errorf("unset DF: %w", err)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// receive fills v with datagrams that have arrived and returns how many.
func (s *socket) receive(v []mmsghdr) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return 0
	}
	n, _ := recvmmsg(s.fd, v) // an error leaves nothing to do: the loop comes again
	return n
}

// send sends v and returns what became of each part: sent, and lost because the
// socket is closed or because the system refused. A full buffer loses the rest of v;
// any other refusal concerns one datagram.
func (s *socket) send(v []mmsghdr) (sent, gone, failed int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return 0, len(v), 0
	}
	for len(v) > 0 {
		n, errno := sendmmsg(s.fd, v)
		sent += n
		v = v[n:]
		switch errno {
		case 0:
		case unix.EAGAIN, unix.ENOBUFS:
			return sent, 0, failed + len(v)
		default:
			failed++
			v = v[1:]
		}
	}
	return sent, 0, failed
}

// handle gives a datagram to the handler unless the socket is closed.
func (s *socket) handle(d relay.Datagram) {
	s.handling.Lock()
	defer s.handling.Unlock()
	if !s.closed.Load() {
		s.handler(s, d)
	}
}

// Close frees the port and returns when the handler does not run and will not. Called
// from the handler itself it does not wait for that.
func (s *socket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.relay.disown(s)
	s.mu.Lock()
	err := unix.Close(s.fd)
	s.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("close UDP %s: %w", s.local, err)
	}
	if !s.relay.inHandlerOf(s) {
		s.handling.Lock() // waits for the handler
		defer s.handling.Unlock()
	}
	return err
}

func (r *Relay) disown(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.loop.unwatch(s)
	if s.port.sock.CompareAndSwap(s, nil) {
		r.release(s.port)
	}
}

func fill(v *unix.Iovec, b []byte) {
	if len(b) > 0 {
		v.Base = &b[0]
		v.SetLen(len(b))
	}
}
