package userspace

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

const (
	channel  = 0x4001
	patience = 5000 // milliseconds
)

// site is a relay on loopback with a listening and a relay socket, a client and a
// peer. Its one loop turns when it is told to, so that a test knows what has happened.
type site struct {
	t            testing.TB
	relay        *Relay
	now          time.Time
	listen, out  relay.Socket
	client, peer *end
	heard        []relay.Datagram // what came to a handler
}

// newSite may have its two sides in different address families.
func newSite(t testing.TB, clientSide, peerSide netip.Addr) *site {
	t.Helper()
	s := &site{t: t, now: time.Now()}
	r, err := build(Config{Loops: 1, Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	s.relay = r
	t.Cleanup(func() { closeStill(t, r) })
	s.listen = s.open(clientSide, relay.PortListener)
	s.out = s.open(peerSide, relay.PortRelay)
	s.client, s.peer = newEnd(t, clientSide), newEnd(t, peerSide)
	return s
}

// closeStill closes a relay whose loop does not run.
func closeStill(t testing.TB, r *Relay) {
	t.Helper()
	go r.loops[0].run()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func (s *site) open(at netip.Addr, kind relay.PortKind) relay.Socket {
	s.t.Helper()
	return openPort(s.t, s.relay, at, kind, func(_ relay.Socket, d relay.Datagram) {
		d.Payload = append([]byte(nil), d.Payload...)
		s.heard = append(s.heard, d)
	})
}

func openPort(t testing.TB, r *Relay, at netip.Addr, kind relay.PortKind, handler func(relay.Socket, relay.Datagram)) relay.Socket {
	t.Helper()
	so, err := r.Open(netip.AddrPortFrom(at, 0), handler)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.OpenPort(so.Local(), kind); err != nil {
		t.Fatal(err)
	}
	return so
}

// turn waits until something has arrived, and lets the loop serve it.
func (s *site) turn() {
	l := s.relay.loops[0]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.thread.Store(int64(unix.Gettid()))
	defer l.thread.Store(0)
	l.turn(patience)
}

// up is the flow from the client's channel to the peer, down the way back.
func (s *site) up() relay.Flow {
	return relay.Flow{
		Key: relay.Key{Local: s.listen.Local(), Remote: s.client.addr, Channel: channel},
		Out: relay.Out{Src: s.out.Local(), Dst: s.peer.addr},
	}
}

func (s *site) down() relay.Flow {
	return relay.Flow{
		Key: relay.Key{Local: s.out.Local(), Remote: s.peer.addr},
		Out: relay.Out{Src: s.listen.Local(), Dst: s.client.addr, Channel: channel},
	}
}

func (s *site) install(f relay.Flow) relay.FlowID {
	s.t.Helper()
	id, err := s.relay.Install(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// left checks how many datagrams have left for a reason.
func (s *site) left(why bpf.Reason, n uint64) {
	s.t.Helper()
	if got := s.relay.Reasons()[why]; got != n {
		s.t.Errorf("%s: %d datagrams, want %d", why, got, n)
	}
}

// wasHeard checks the payloads that came to a handler since the last time.
func (s *site) wasHeard(payloads ...string) {
	s.t.Helper()
	if len(s.heard) != len(payloads) {
		s.t.Fatalf("the handlers got %d datagrams, want %d", len(s.heard), len(payloads))
	}
	for i, want := range payloads {
		if got := string(s.heard[i].Payload); got != want {
			s.t.Errorf("the handler got %q, want %q", got, want)
		}
	}
	s.heard = nil
}

// end is a client or a peer.
type end struct {
	t    testing.TB
	fd   int
	addr netip.AddrPort
}

func newEnd(t testing.TB, at netip.Addr) *end {
	t.Helper()
	fd, err := listen(netip.AddrPortFrom(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	addr, err := boundTo(fd)
	if err != nil {
		t.Fatal(err)
	}
	return &end{t: t, fd: fd, addr: addr}
}

func (e *end) send(to netip.AddrPort, payload string) { e.sendWith(to, payload, relay.Meta{}) }

func (e *end) sendWith(to netip.AddrPort, payload string, m relay.Meta) {
	e.t.Helper()
	var a sockaddr
	var c control
	var iov unix.Iovec
	fill(&iov, []byte(payload))
	msg := unix.Msghdr{Name: &a[0], Namelen: a.set(to), Iov: &iov, Iovlen: 1, Control: &c[0]}
	msg.Controllen = c.put(m, to.Addr().Is4())
	if errno := sendmsg(e.fd, &msg); errno != 0 {
		e.t.Fatalf("send to %s: %v", to, errno)
	}
}

// next returns the next datagram.
func (e *end) next() relay.Datagram {
	e.t.Helper()
	poll := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, patience); n != 1 {
		e.t.Fatalf("nothing came to %s: %v", e.addr, err)
	}
	b := buffers(e.t)
	if n, errno := recvmmsg(e.fd, b.next()[:1]); n != 1 {
		e.t.Fatal(errno)
	}
	return relay.Datagram{Local: e.addr, Remote: b.from[0].addrPort(), Payload: b.data(0), Meta: b.meta(0)}
}

// receive checks the next datagram and where it came from.
func (e *end) receive(from netip.AddrPort, payload string) {
	e.t.Helper()
	d := e.next()
	if got := string(d.Payload); got != payload || d.Remote != from {
		e.t.Errorf("got %.40q from %s, want %.40q from %s", got, d.Remote, payload, from)
	}
}

// nothing checks that nothing has come.
func (e *end) nothing() {
	e.t.Helper()
	if n, _ := recvmmsg(e.fd, buffers(e.t).next()[:1]); n != 0 {
		e.t.Error("a datagram came that should not have")
	}
}

// buffers last as long as the test.
func buffers(t testing.TB) *batch {
	t.Helper()
	b, err := newBatch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.close() })
	return b
}
