// Package tryout is a TURN client with something to say and a peer that answers:
// what `turnpike dev`, `turnpike demo` and the end-to-end tests carry media with.
// It goes by pion's client and not by code of ours, so that a mistake in the server is
// not made twice.
package tryout

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"
)

// Credentials are a user's of a server.
type Credentials struct{ User, Password, Realm string }

// Stream is a client's relay and the one peer it talks to.
type Stream struct {
	client *turn.Client
	conn   net.PacketConn
	relay  net.PacketConn
	peer   net.Addr
	next   uint16
}

// Open allocates a relay at server over conn. Close closes conn too.
func Open(conn net.PacketConn, server, peer netip.AddrPort, c Credentials) (*Stream, error) {
	log := logging.NewDefaultLoggerFactory()
	log.Writer = io.Discard
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server.String(), TURNServerAddr: server.String(),
		Username: c.User, Password: c.Password, Realm: c.Realm,
		Conn: conn, LoggerFactory: log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a TURN client: %w", err), conn.Close())
	}
	if err := client.Listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for %s: %w", server, err), conn.Close())
	}
	relay, err := client.Allocate()
	if err != nil {
		client.Close()
		return nil, errors.Join(fmt.Errorf("allocate a relay at %s: %w", server, err), conn.Close())
	}
	return &Stream{client: client, conn: conn, relay: relay, peer: net.UDPAddrFromAddrPort(peer)}, nil
}

// Relay is the relayed address as the server told it.
func (s *Stream) Relay() string { return s.relay.LocalAddr().String() }

// Close gives the relay back.
func (s *Stream) Close() error {
	err := s.relay.Close()
	s.client.Close()
	return errors.Join(err, s.conn.Close())
}

// Result is what became of a stream's packets.
type Result struct {
	Sent, Received int
}

// Lost is how many packets did not come back.
func (r Result) Lost() int { return r.Sent - r.Received }

// tail is how long the last packets may be on their way.
const tail = time.Second

// Bind sends until the first packet comes back: then permission and channel are
// there.
func (s *Stream) Bind(ctx context.Context) error {
	for try := 0; ; try++ {
		if r, err := s.Talk(ctx, 1, 0); err == nil && r.Received == 1 {
			return nil
		} else if err != nil || try == 5 {
			return errors.Join(fmt.Errorf("no answer from %s through the relay %s", s.peer, s.Relay()), err)
		}
	}
}

// Talk sends count RTP packets, one each interval, and counts those that the peer
// sends back. It returns early when ctx ends.
func (s *Stream) Talk(ctx context.Context, count int, interval time.Duration) (Result, error) {
	first := s.next
	s.next += uint16(count)
	came := make(chan int, 1)
	go func() { came <- s.listen(first, count) }()

	var r Result
	tick := time.NewTicker(max(interval, time.Microsecond))
	defer tick.Stop()
	for r.Sent < count && ctx.Err() == nil {
		if _, err := s.relay.WriteTo(rtp(first+uint16(r.Sent)), s.peer); err != nil {
			_ = s.relay.SetReadDeadline(time.Now())
			<-came
			return r, fmt.Errorf("send through the relay %s: %w", s.Relay(), err)
		}
		r.Sent++
		if interval > 0 {
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
	if err := s.relay.SetReadDeadline(time.Now().Add(tail)); err != nil {
		return r, fmt.Errorf("wait for the last packets: %w", err)
	}
	r.Received = <-came
	return r, s.relay.SetReadDeadline(time.Time{})
}

// listen counts the packets from first on that come back, each once, until all have or
// the read deadline passes.
func (s *Stream) listen(first uint16, count int) int {
	seen := make(map[uint16]bool, count)
	buf := make([]byte, 2048)
	for len(seen) < count {
		n, _, err := s.relay.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil {
			break
		}
		if seq := binary.BigEndian.Uint16(buf[2:]); n == packetSize && int(seq-first) < count {
			seen[seq] = true
		}
	}
	return len(seen)
}

// packetSize is that of 20 ms of G.711 with an RTP header.
const packetSize = 12 + 160

// rtp is a packet as a telephone sends it (RFC 3550 section 5.1).
func rtp(seq uint16) []byte {
	p := make([]byte, packetSize)
	p[0] = 2 << 6
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], 0x7475726e)
	return p
}

// Echo sends back whatever conn receives until it is closed.
func Echo(conn net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = conn.WriteTo(buf[:n], from) // the sender may be gone
		}
	}
}
