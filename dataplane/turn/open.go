package turn

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// portTries is how many ports in use by somebody else an Allocate puts up with.
const portTries = 8

// openRelays opens what is wanted: all of it, or for a dual allocation at least
// one family. When it fails nothing is open.
func (s *Server) openRelays(a *allocation, w wanted, now time.Time) stun.ErrorCode {
	if w.token != nil {
		return s.useReservation(a, w, now)
	}
	worst := success
	for f := range families {
		if !w.families[f] {
			continue
		}
		x, next, code := s.openRelay(f, w, now)
		if code != success {
			a.addrError = addressError{family: f, code: code}
			worst = max(worst, code) // 508 says more than 440: asking again may help
			continue
		}
		x.owner, x.expires = a, now.Add(w.lifetime)
		a.relays[f] = x
		if next != nil {
			a.token = s.reserve(next, a.account.name, now)
		}
	}
	if a.relays[ipv4] == nil && a.relays[ipv6] == nil {
		return worst
	}
	return success
}

// openRelay opens a relayed address, and the next one when it is to be reserved.
func (s *Server) openRelay(f family, w wanted, now time.Time) (x, next *relayed, code stun.ErrorCode) {
	if !s.relayAddrs[f].Local.IsValid() {
		return nil, nil, stun.CodeAddrFamilyNotSupported
	}
	if !s.room(w) {
		return nil, nil, s.full(w)
	}
	for range portTries {
		port, found := s.pickPort(f, w, now)
		if !found {
			break
		}
		x, next, err := s.bindWanted(netip.AddrPortFrom(s.relayAddrs[f].Local, port), w, now)
		if err == nil {
			return x, next, success
		}
		if errors.Is(err, errCapacity) {
			return nil, nil, s.full(w)
		}
		s.warn("TURN relay port refused", "Detail", err.Error(),
			"Relay", netip.AddrPortFrom(s.relayAddrs[f].Local, port).String())
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	s.warn("TURN relay ports used up", "Relays", s.relays)
	return nil, nil, stun.CodeInsufficientCapacity
}

func (s *Server) pickPort(f family, w wanted, now time.Time) (uint16, bool) {
	if w.even {
		return s.ports[f].even(w.reserve, now)
	}
	return s.ports[f].any(now)
}

// full says that a limit is reached (CA-04).
func (s *Server) full(w wanted) stun.ErrorCode {
	s.warn("TURN relay limit reached", "Relays", s.relays, "Server-port", w.listener)
	return stun.CodeInsufficientCapacity
}

// room reports whether the limits leave room for what one family needs.
func (s *Server) room(w wanted) bool {
	n := 1
	if w.reserve {
		n = 2
	}
	return s.relays+n <= s.cfg.MaxRelays &&
		(s.cfg.MaxPerPort == 0 || s.perPort[w.listener]+n <= s.cfg.MaxPerPort)
}

// bindWanted binds one taken port, or two. When it fails they are given back.
func (s *Server) bindWanted(local netip.AddrPort, w wanted, now time.Time) (x, next *relayed, err error) {
	x, err = s.bind(local, w.listener, s.cfg.Capacity.Take)
	if err == nil && w.reserve {
		next, err = s.bind(nextPort(local), w.listener, s.cfg.Capacity.Take)
		if err != nil {
			s.release(x)
			s.putPort(nextPort(local), now)
			return nil, nil, err
		}
	}
	if err != nil {
		s.putPort(local, now)
		if w.reserve {
			s.putPort(nextPort(local), now)
		}
		return nil, nil, err
	}
	return x, next, nil
}

var errCapacity = errors.New("the node has no place for one more relay: wait until some end")

// bind opens a relayed address whose port is taken, in a place of the node that take takes.
func (s *Server) bind(local netip.AddrPort, listener uint16, take func(n int) bool) (*relayed, error) {
	if !take(1) {
		return nil, errCapacity
	}
	x, err := s.openPort(local, listener)
	if err != nil {
		s.cfg.Capacity.Give(1)
		return nil, err
	}
	s.relays++
	s.perPort[listener]++
	return x, nil
}

// openPort opens gate and socket: the gate first, so that no stranger's datagram gets to
// the socket.
func (s *Server) openPort(local netip.AddrPort, listener uint16) (*relayed, error) {
	if err := s.gate.OpenPort(local, relay.PortRelay); err != nil {
		return nil, err
	}
	x := &relayed{local: local, listener: listener}
	sock, err := s.sockets.Open(local, func(_ relay.Socket, d relay.Datagram) { s.fromPeer(x, d) })
	if err != nil {
		s.failed(s.gate.ClosePort(local), "close port", local)
		return nil, err
	}
	x.sock = sock
	return x, nil
}
