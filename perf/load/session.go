package load

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"
)

// exchange is one request and its answer.
type exchange struct {
	method stun.Method
	peer   int // index, for ChannelBind
	// lifetime is asked for in Allocate and Refresh, in seconds.
	lifetime uint32
}

// lifetime is the longest that servers grant (RFC 8656 section 7.2), so that a
// measurement need not refresh allocations.
const lifetime = 3600

// setup, renew and release are what a session does, by the number of its peers.
func setup(peers int) []exchange {
	script := []exchange{{method: stun.MethodAllocate, lifetime: lifetime}, {method: stun.MethodCreatePermission}}
	return append(script, binds(peers)...)
}

func renew(peers int) []exchange {
	script := []exchange{{method: stun.MethodRefresh, lifetime: lifetime}, {method: stun.MethodCreatePermission}}
	return append(script, binds(peers)...)
}

func release(int) []exchange {
	return []exchange{{method: stun.MethodRefresh}}
}

func binds(peers int) []exchange {
	var script []exchange
	for i := range peers {
		script = append(script, exchange{method: stun.MethodChannelBind, peer: i})
	}
	return script
}

// session is one client: its socket and how far it is in its script.
type session struct {
	fd      int
	client  netip.AddrPort
	server  netip.AddrPort
	peers   []netip.AddrPort
	relayed netip.AddrPort
	realm   []byte
	nonce   []byte

	script  []exchange
	pos     int
	id      [stun.TransactionIDSize]byte // of the request that waits for its answer
	begun   time.Time
	sent    time.Time
	tries   int // of this request
	refused int // 401 and 438 answers to this request

	challenged int // 401 and 438 answers in all that were followed
}

func (s *session) done() bool { return s.pos == len(s.script) }

// connect opens the socket, in the calling thread's namespace.
func (s *session) connect(from netip.Addr) error {
	family := unix.AF_INET
	if from.Is6() {
		family = unix.AF_INET6
	}
	var err error
	s.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(s.fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	if err := unix.Connect(s.fd, sockaddr(s.server)); err != nil {
		return fmt.Errorf("connect to %s: %w", s.server, err)
	}
	local, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	switch a := local.(type) {
	case *unix.SockaddrInet4:
		s.client = netip.AddrPortFrom(from, uint16(a.Port))
	case *unix.SockaddrInet6:
		s.client = netip.AddrPortFrom(from, uint16(a.Port))
	}
	return nil
}

func (s *session) close() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd) // nothing is lost
		s.fd = -1
	}
}

func (s *session) relay() Relay {
	r := Relay{Client: s.client, Server: s.server, Relayed: s.relayed}
	for i, p := range s.peers {
		r.Channels = append(r.Channels, Channel{Number: FirstChannel + uint16(i), Peer: p})
	}
	return r
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
