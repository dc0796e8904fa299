package turn

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Bounds of a TCP or TLS connection.
const (
	handshakeTime = 10 * time.Second // for the TLS handshake
	strangerTime  = 30 * time.Second // to get an allocation
	frameTime     = 30 * time.Second // for a frame to arrive once it began
	writeTime     = 15 * time.Second // for the client to take what is sent
	queueLength   = 64               // messages on their way to the client
	queueReserve  = 16               // of these, kept for answers
)

// stream is the connection of one TCP or TLS client. A goroutine reads, another one
// writes; media for a client that does not read is dropped, as it would be on UDP.
type stream struct {
	server *Server
	tuple  fiveTuple
	raw    net.Conn // closed without waiting, unlike a tls.Conn
	conn   net.Conn
	out    chan *buffer
	gone   chan struct{}
	once   sync.Once
	guest  *list.Element // while it holds no allocation; see guests
}

// listenStreams opens the TCP and TLS listeners.
func (s *Server) listenStreams(ctx context.Context, running *sync.WaitGroup) error {
	if s.cfg.TCP {
		for _, l := range s.cfg.Listen {
			if err := s.listenStream(ctx, running, l, TCP, nil); err != nil {
				return err
			}
		}
	}
	if s.cfg.TLS == nil {
		return nil
	}
	for _, l := range s.cfg.TLSListen {
		if err := s.listenStream(ctx, running, l, TLS, s.cfg.TLS); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) listenStream(ctx context.Context, running *sync.WaitGroup,
	local netip.AddrPort, transport Transport, conf *tls.Config,
) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", local.String())
	if err != nil {
		return fmt.Errorf("turn: listen on %s %s: %w", transport, local, err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				s.stats.acceptErrors.Add(1)
				pause(ctx, 50*time.Millisecond) // out of descriptors: others may close some
				continue
			}
			s.startStream(running, c, transport, conf)
		}
	})
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// startStream serves the connection, if its source may have one more. One that is
// refused is reset: it is to cost us nothing more.
func (s *Server) startStream(running *sync.WaitGroup, c net.Conn, transport Transport, conf *tls.Config) {
	if !s.arrivals.spend(addrPort(c.RemoteAddr()).Addr(), time.Now()) {
		s.stats.refused[refusedRate].Add(1)
		reset(c)
		return
	}
	t := &stream{
		server: s, raw: c, conn: c,
		tuple: fiveTuple{
			server: addrPort(c.LocalAddr()), client: addrPort(c.RemoteAddr()), transport: transport,
		},
		out:  make(chan *buffer, queueLength),
		gone: make(chan struct{}),
	}
	if conf != nil {
		t.conn = tls.Server(c, conf)
	}
	if !s.welcome(t) {
		reset(c)
		return
	}
	running.Go(t.write)
	running.Go(t.serve)
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it is closed either way
	}
	_ = c.Close()
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return relay.Canonical(t.AddrPort())
}

// serve reads until the connection ends, and then ends its allocation: the client
// cannot come back to it.
func (t *stream) serve() {
	defer t.server.dropStream(t)
	defer t.close()
	if err := t.handshake(); err != nil {
		t.failed(err, refusedHandshake)
		return
	}
	in := bufio.NewReaderSize(t.conn, 4096)
	var buf []byte
	for {
		frame, grown, err := t.next(in, buf)
		if err != nil {
			t.failed(err, refusedIdle)
			return
		}
		t.received(frame)
		if buf = grown; cap(buf) > 8192 {
			buf = nil // a large message now and then must not cost memory for good
		}
	}
}

func (t *stream) handshake() error {
	c, secure := t.conn.(*tls.Conn)
	if !secure {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	return c.HandshakeContext(ctx)
}

// next waits for a frame: for ever with an allocation, which has its own end, and
// for a short time without.
func (t *stream) next(in *bufio.Reader, buf []byte) (frame, grown []byte, err error) {
	if in.Buffered() == 0 {
		var deadline time.Time
		if !t.server.holdsAllocation(t.tuple) {
			deadline = time.Now().Add(strangerTime)
		}
		_ = t.conn.SetReadDeadline(deadline)
		if _, err := in.Peek(1); err != nil {
			return nil, buf, err
		}
	}
	_ = t.conn.SetReadDeadline(time.Now().Add(frameTime))
	frame, grown, err = readFrame(in, buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlow
	}
	return frame, grown, err
}

var errSlow = errors.New("a message that began did not arrive")

// failed counts why a connection is closed by us; late says what a deadline means that
// is over. The client's own close is no failure.
func (t *stream) failed(err error, late refusal) {
	select {
	case <-t.gone:
		return // closed already, for a reason that is known
	default:
	}
	count := &t.server.stats.refused
	switch {
	case errors.Is(err, errSlow):
		count[refusedSlow].Add(1)
	case errors.Is(err, errFrame):
		count[refusedFraming].Add(1)
	case late == refusedHandshake, errors.Is(err, os.ErrDeadlineExceeded):
		count[late].Add(1)
	}
}

func (s *Server) holdsAllocation(t fiveTuple) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allocations[t] != nil
}

// received passes a frame on: ChannelData to its flow, the rest to the server.
func (t *stream) received(frame []byte) {
	if frame[0]>>6 == 1 {
		key := relay.Key{
			Local: t.tuple.server, Remote: t.tuple.client,
			Channel: binary.BigEndian.Uint16(frame),
		}
		if t.server.table.Forward(key, frame[frameHeader:]) {
			return
		}
	}
	t.server.packet(t.tuple, client{conn: t}, frame, relay.Meta{})
}

// media sends a flow's datagram to the client (relay.Flow.Sink).
func (t *stream) media(message []byte) { t.queue(message, queueLength-queueReserve) }

// send sends a message to the client; the room kept for it is used up only by a
// client that asks and does not read.
func (t *stream) send(message []byte) { t.queue(message, queueLength) }

func (t *stream) queue(message []byte, limit int) {
	if len(message) == 0 || len(t.out) >= limit {
		t.server.stats.streamDropped.Add(1)
		return
	}
	b := t.server.buffers.get()
	b.bytes = appendFrame(b.bytes[:0], message)
	select {
	case t.out <- b:
	default:
		t.server.buffers.put(b)
		t.server.stats.streamDropped.Add(1)
	}
}

// write writes what is queued, in as few segments as the queue allows.
func (t *stream) write() {
	defer t.close()
	out := bufio.NewWriterSize(t.conn, 4096)
	// No TLS record has two messages: coturn's client, for one, takes a record for a message.
	alone := t.tuple.transport == TLS
	for {
		select {
		case <-t.gone:
			return
		case b := <-t.out:
			_ = t.conn.SetWriteDeadline(time.Now().Add(writeTime))
			_, err := out.Write(b.bytes)
			t.server.buffers.put(b)
			if err == nil && (alone || len(t.out) == 0) {
				err = out.Flush()
			}
			if err != nil {
				return
			}
		}
	}
}

// close ends the connection; it does not wait for the other side.
func (t *stream) close() {
	t.once.Do(func() {
		close(t.gone)
		_ = t.raw.Close()
	})
}

func (s *Server) dropStream(t *stream) {
	s.mu.Lock()
	defer s.unlock()
	delete(s.streams, t)
	s.guests.remove(t)
	if a := s.allocations[t.tuple]; a != nil && a.conn == t {
		s.end(a, "connection closed")
	}
}
