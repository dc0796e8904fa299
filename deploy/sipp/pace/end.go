// Package pace sends RTP at a rate that the test chooses and counts it at both ends.
//
// It exists for what SIPp's players cannot do: send exactly what a call was granted, or
// several times as much, and say for each call what of it arrived. All calls of an end
// share its socket, as they do with SIPp; they are told apart by their SSRC, which a
// node leaves alone.
package pace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab"
)

// headerLen is that of RTP without extensions (RFC 3550 5.1). What is granted does not
// count it.
const headerLen = 12

// receiveBuffer holds what comes while the machine has no time for the receiver: a packet
// lost here would be blamed on the node.
const receiveBuffer = 4 << 20

// Count is RTP, its payload in bytes.
type Count struct{ Packets, Bytes uint64 }

// End is a socket that sends and counts.
type End struct {
	conn    *net.UDPConn
	closed  chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	got map[uint32]Count // by SSRC
}

// Open opens an end on a host. Close it.
func Open(h *lab.Host, at netip.AddrPort) (*End, error) {
	var conn net.PacketConn
	err := h.Do(func() (err error) {
		conn, err = listen(at)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the socket for RTP at %s: %w", at, err)
	}
	e := &End{conn: conn.(*net.UDPConn), closed: make(chan struct{}), got: map[uint32]Count{}}
	e.running.Go(e.receive)
	return e, nil
}

func listen(at netip.AddrPort) (net.PacketConn, error) {
	var lc net.ListenConfig
	lc.Control = func(_, _ string, c syscall.RawConn) error {
		var refused error
		err := c.Control(func(fd uintptr) {
			refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
		})
		return errors.Join(err, refused)
	}
	return lc.ListenPacket(context.Background(), "udp", at.String())
}

// receive counts until the socket is closed. What is no RTP is noise.
func (e *End) receive() {
	buf := make([]byte, 2048)
	for {
		n, _, err := e.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil, n < headerLen, buf[0]>>6 != 2: // an ICMP message is an error of the next read
			continue
		}
		ssrc := binary.BigEndian.Uint32(buf[8:])
		e.mu.Lock()
		c := e.got[ssrc]
		e.got[ssrc] = Count{c.Packets + 1, c.Bytes + uint64(n-headerLen)}
		e.mu.Unlock()
	}
}

// Got is what has come with an SSRC.
func (e *End) Got(ssrc uint32) Count {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got[ssrc]
}

// Close ends all streams and the socket. Only once.
func (e *End) Close() error {
	close(e.closed)
	err := e.conn.Close()
	e.running.Wait()
	return err
}
