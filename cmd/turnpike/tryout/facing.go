package tryout

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Facing makes two relays at a server of which each is the other's peer: something to
// talk through where nobody else takes part. The second sends everything back until
// the returned function closes both.
func Facing(open func() (net.PacketConn, error), server netip.AddrPort, near, far Credentials) (*Stream, func() error, error) {
	echo, err := dial(open, server, server, far) // its peer is not known yet
	if err != nil {
		return nil, nil, err
	}
	at, err := netip.ParseAddrPort(echo.Relay())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read the relayed address: %w", err), echo.Close())
	}
	s, err := dial(open, server, at, near)
	if err != nil {
		return nil, nil, errors.Join(err, echo.Close())
	}
	if err := echo.client.CreatePermission(s.relay.LocalAddr()); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("permit the relay %s at %s: %w", s.Relay(), server, err), s.Close(), echo.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		echo.answer()
	}()
	return s, func() error {
		err := errors.Join(s.Close(), echo.Close())
		<-ended
		return err
	}, nil
}

func dial(open func() (net.PacketConn, error), server, peer netip.AddrPort, c Credentials) (*Stream, error) {
	conn, err := open()
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	return Open(conn, server, peer, c)
}

// answer sends back whatever comes by the relay until it is closed, which pion tells by
// an error of its own.
func (s *Stream) answer() {
	buf := make([]byte, 2048)
	for {
		n, from, err := s.relay.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = s.relay.WriteTo(buf[:n], from) // the other relay may be gone
	}
}
