package rtp

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// lane is one of the two ways of a stream.
type lane uint8

const (
	laneRTP lane = iota
	laneRTCP
	lanes
)

// How long a source learned earlier may pause before a new one is taken for its
// successor; RTCP comes every few seconds (RFC 3550 section 6.2).
var patience = [lanes]time.Duration{laneRTP: time.Second, laneRTCP: 10 * time.Second}

// stream is one m-line of a call.
type stream struct {
	call  *Call
	index int
	legs  [2]leg
	pairs [lanes]pair
	// look is when the latches are next compared with what the flows carried.
	look  time.Time
	pause time.Duration
}

// leg is one end of a stream and our side towards it.
type leg struct {
	port  uint16 // the even one; 0: none taken
	local [lanes]netip.AddrPort
	socks [lanes]relay.Socket
	gates [lanes]gate

	remote Remote
	known  bool // signalling said where it is
	muted  bool // it wants nothing (RFC 2543's hold)
	at     time.Time
	latch  [lanes]latch
	muxes  bool // its RTCP came to the RTP port
	hand   [lanes]tally
}

func newStream(c *Call, index int) *stream {
	s := &stream{call: c, index: index}
	for l := range s.legs {
		for n := range lanes {
			s.legs[l].latch[n].patience = patience[n]
		}
	}
	return s
}

// muxed tells whether both ends have RTCP on RTP's port.
func (s *stream) muxed() bool { return s.legs[LegA].remote.Mux && s.legs[LegB].remote.Mux }

// complete tells whether there is something to relay between.
func (s *stream) complete() bool { return s.legs[LegA].known && s.legs[LegB].known }

// ports is what leg l's end is told.
func (s *stream) ports(l Leg) Ports {
	public := s.call.sides[l].Public
	return Ports{
		RTP:  netip.AddrPortFrom(public, s.legs[l].local[laneRTP].Port()),
		RTCP: netip.AddrPortFrom(public, s.legs[l].local[laneRTCP].Port()),
	}
}

// portTries is how many ports in use by somebody else are put up with.
const portTries = 8

// bind takes the ports of a leg, unless it has them.
func (s *stream) bind(l Leg) error {
	if s.legs[l].port != 0 {
		return nil
	}
	m := s.call.media
	for range portTries {
		port, err := m.takePort(time.Now())
		if err != nil {
			return err
		}
		err = s.open(l, port)
		if err == nil {
			s.legs[l].port = port
			return nil
		}
		m.putPorts([]uint16{port}, time.Now())
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return ErrNoPorts
}

// open opens gate and sockets: the gate first, so that no stranger's datagram gets to a
// socket.
func (s *stream) open(l Leg, port uint16) error {
	leg := &s.legs[l]
	for n := range lanes {
		local := netip.AddrPortFrom(s.call.sides[l].Local, port+uint16(n))
		sock, err := s.openOne(l, n, local)
		if err != nil {
			for _, earlier := range leg.socks[:n] {
				_ = earlier.Close() // its gate lets nobody in: no handler waits for our lock
				_ = s.call.media.cfg.Gate.ClosePort(earlier.Local())
			}
			return err
		}
		leg.local[n], leg.socks[n], leg.gates[n] = local, sock, gate{kind: relay.PortRelay}
	}
	return nil
}

func (s *stream) openOne(l Leg, n lane, local netip.AddrPort) (relay.Socket, error) {
	cfg := &s.call.media.cfg
	if err := cfg.Gate.OpenPort(local, relay.PortRelay); err != nil {
		return nil, err
	}
	sock, err := cfg.Sockets.Open(local, func(_ relay.Socket, d relay.Datagram) { s.received(l, n, d) })
	if err != nil {
		_ = cfg.Gate.ClosePort(local) // the socket's error says more
		return nil, err
	}
	return sock, nil
}

// signal takes in what signalling said of a leg's end.
func (s *stream) signal(l Leg, r Remote, now time.Time) {
	leg := &s.legs[l]
	leg.at = now
	s.pause, s.look = 0, now.Add(lookEvery)
	if r.RTP.Port() == 0 {
		leg.known = false
		return
	}
	leg.known, leg.muted = true, r.RTP.Addr().IsUnspecified()
	leg.remote = r
	if leg.muted {
		return
	}
	for n, at := range [lanes]netip.AddrPort{r.RTP, r.RTCP} {
		t := &leg.latch[n]
		t.heard(s.flowed(l, lane(n)))
		t.signal(at, r.From, r.SSRCs, now)
	}
}

// sync makes ports, gates and flows what signalling and latches ask for.
func (s *stream) sync(now time.Time) error {
	if s.complete() {
		for l := range s.legs {
			if err := s.bind(Leg(l)); err != nil {
				return err
			}
		}
	}
	var errs []error
	for l := range s.legs {
		errs = append(errs, s.syncGates(Leg(l), now))
	}
	for n := range lanes {
		s.syncPair(n)
	}
	return errors.Join(errs...)
}

// end stops the stream and returns what is left to close.
func (s *stream) end() leavings {
	var left leavings
	for n := range lanes {
		s.removePair(n)
	}
	for l := range s.legs {
		leg := &s.legs[l]
		leg.known = false
		if leg.port == 0 {
			continue
		}
		for n := range lanes {
			s.closeGate(leg, n)
		}
		left = append(left, leaving{leg.port, leg.socks})
		leg.port, leg.socks = 0, [lanes]relay.Socket{}
	}
	return left
}

// held tells whether nobody is to send.
func (s *stream) held() bool {
	return !slices.ContainsFunc(s.legs[:], func(l leg) bool { return l.remote.Send && !l.muted })
}
