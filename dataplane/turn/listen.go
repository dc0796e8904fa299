package turn

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// listen opens all that the configuration names.
func (s *Server) listen(ctx context.Context, running *sync.WaitGroup) error {
	for _, l := range s.cfg.Listen {
		if err := s.listenUDP(relay.Canonical(l)); err != nil {
			return fmt.Errorf("turn: listen on udp %s: %w", l, err)
		}
	}
	return s.listenStreams(ctx, running)
}

func (s *Server) listenUDP(local netip.AddrPort) error {
	sock, err := s.sockets.Open(local, s.fromClient)
	if err != nil {
		return err
	}
	all := maps.Clone(*s.listeners.Load())
	all[sock.Local()] = sock
	s.listeners.Store(&all)
	return s.gate.OpenPort(sock.Local(), relay.PortListener)
}

// fromClient takes a datagram that came to a request port.
func (s *Server) fromClient(sock relay.Socket, d relay.Datagram) {
	from := fiveTuple{server: relay.Canonical(d.Local), client: relay.Canonical(d.Remote), transport: UDP}
	s.packet(from, client{sock: sock}, d.Payload, d.Meta)
}

// packet tells STUN messages and ChannelData apart by their first two bits (RFC
// 8656 section 12).
func (s *Server) packet(from fiveTuple, c client, packet []byte, m relay.Meta) {
	switch {
	case len(packet) >= 4 && packet[0]>>6 == 1:
		s.channelData(from, packet, m, time.Now())
	case stun.IsMessage(packet) && packet[0]>>6 == 0:
		s.message(from, c, packet, m)
	default:
		s.stats.garbage.Add(1)
	}
}

const (
	// maxRequest is longer than any request that can succeed: only Send indications
	// carry data.
	maxRequest         = 8192
	sendIndicationType = 0x0016
)

func (s *Server) message(from fiveTuple, c client, packet []byte, m relay.Meta) {
	if len(packet) > maxRequest && binary.BigEndian.Uint16(packet) != sendIndicationType {
		s.stats.garbage.Add(1)
		return
	}
	r := s.requests.Get().(*request)
	defer s.putRequest(r)
	r.from, r.back, r.meta, r.now = from, c, m, time.Now()
	r.account, r.key = account{}, nil
	if !r.decode(packet) {
		s.stats.garbage.Add(1)
		return
	}
	s.handle(r)
}

// putRequest keeps a request for the next message, unless an odd message made it
// costly to keep.
func (s *Server) putRequest(r *request) {
	if cap(r.msg.Attributes) <= 256 && cap(r.msg.Raw) <= 2*maxRequest {
		s.requests.Put(r)
	}
}

// client is the way back to a client: a listener's socket or its own connection.
// Zero: the listener is looked up by the address the client knows.
type client struct {
	sock relay.Socket
	conn *stream
}

// toClient sends a message from the address that the client knows.
func (s *Server) toClient(to fiveTuple, c client, packet []byte, m relay.Meta) {
	switch {
	case c.conn != nil:
		c.conn.send(packet)
		return
	case c.sock == nil:
		c.sock = (*s.listeners.Load())[to.server]
	}
	if c.sock != nil {
		s.stats.sent(c.sock.Send(packet, to.client, m))
	}
}
