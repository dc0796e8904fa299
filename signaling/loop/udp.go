package loop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// receiveBuffer is asked for each UDP socket; net.core.rmem_max may give less.
const receiveBuffer = 4 << 20

// udpEngine is the UDP sockets: gnet reads them, on a socket of each address for each
// loop; what is sent goes out through a descriptor of our own to one of them.
type udpEngine struct {
	gnet.BuiltinEventEngine
	loop   *Loop
	ready  chan struct{} // closed when it reads
	ended  chan struct{} // closed when it does not any more
	booted error

	mu     sync.RWMutex
	engine gnet.Engine
	send   map[netip.AddrPort]int // descriptors by local address
}

func newUDP(l *Loop) *udpEngine {
	return &udpEngine{loop: l, ready: make(chan struct{}), ended: make(chan struct{}), send: make(map[netip.AddrPort]int)}
}

// run reads until stop is called. Without addresses there is nothing to do.
func (u *udpEngine) run() error {
	defer close(u.ended)
	at := u.loop.cfg.UDP
	if len(at) == 0 {
		close(u.ready)
		return nil
	}
	addresses := make([]string, len(at))
	for i, a := range at {
		addresses[i] = network(a) + "://" + a.String()
	}
	err := gnet.Rotate(u, addresses, gnet.WithNumEventLoop(u.loop.cfg.Loops), gnet.WithReuseAddr(true), gnet.WithReusePort(true),
		gnet.WithSocketRecvBuffer(receiveBuffer), gnet.WithLogger(quiet{}))
	return errors.Join(err, u.booted)
}

func network(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}

// OnBoot implements gnet.EventHandler.
func (u *udpEngine) OnBoot(e gnet.Engine) gnet.Action {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.engine = e
	for _, a := range u.loop.cfg.UDP {
		fd, err := e.DupListener("udp", a.String()) // gnet drops the 4 or 6 of the network
		if err != nil {
			u.booted = fmt.Errorf("send from %s: %w", a, err)
			return gnet.Shutdown
		}
		u.send[a] = fd
	}
	close(u.ready)
	return gnet.None
}

// OnTraffic implements gnet.EventHandler: one datagram.
func (u *udpEngine) OnTraffic(g gnet.Conn) gnet.Action {
	local, remote := udpAddrPort(g.LocalAddr()), udpAddrPort(g.RemoteAddr())
	if !u.loop.rates.allow(remote.Addr(), time.Now()) {
		u.loop.stats.refusedRate.Add(1)
		return gnet.None
	}
	b, _ := g.Peek(-1)
	if len(b) > 0 {
		u.loop.deliver(Source{Transport: UDP, Local: local, Remote: remote}, b)
	}
	return gnet.None
}

func udpAddrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// stop ends run, and closes the sockets.
func (u *udpEngine) stop() error {
	u.mu.Lock()
	e, send := u.engine, u.send
	u.send = nil
	u.mu.Unlock()
	var errs []error
	for _, fd := range send {
		errs = append(errs, unix.Close(fd))
	}
	select {
	case <-u.ended: // an engine that did not start cannot be stopped
	default:
		if e.Validate() == nil {
			errs = append(errs, e.Stop(context.Background()))
		}
	}
	return errors.Join(errs...)
}

// SendUDP sends one datagram from a local address that is listened on. It does not
// block: what the kernel does not take is lost, as on the wire.
func (l *Loop) SendUDP(local, remote netip.AddrPort, data []byte) error {
	u := l.udp
	u.mu.RLock()
	defer u.mu.RUnlock()
	fd, ok := u.send[local]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoSocket, local)
	}
	err := unix.Sendto(fd, data, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, sockaddr(remote))
	if err != nil {
		l.stats.sendFailed.Add(1)
		return fmt.Errorf("send to %s: %w", remote, err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if addr := a.Addr().Unmap(); addr.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
