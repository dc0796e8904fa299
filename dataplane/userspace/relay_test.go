package userspace

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

// bench is a relay with the sockets of a client's and a peer's side, and a client
// and a peer.
type bench struct {
	t            testing.TB
	relay        *Relay
	listen, out  relay.Socket
	client, peer *end
	heard        chan relay.Datagram // what came to a handler
}

// start opens everything on loopback; the client's side and the peer's side may be of
// different address families.
func start(t testing.TB, clientSide, peerSide netip.Addr, cfg Config) *bench {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, relay: r, heard: make(chan relay.Datagram, 100)}
	b.listen = b.open(clientSide, relay.PortListener)
	b.out = b.open(peerSide, relay.PortRelay)
	b.client, b.peer = newEnd(t, clientSide), newEnd(t, peerSide)
	return b
}

func (b *bench) open(at netip.Addr, kind relay.PortKind) relay.Socket {
	b.t.Helper()
	s, err := b.relay.Open(netip.AddrPortFrom(at, 0), b.handle)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.relay.OpenPort(s.Local(), kind); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) handle(_ relay.Socket, d relay.Datagram) {
	d.Payload = append([]byte(nil), d.Payload...)
	b.heard <- d
}

// up is the flow from the client's channel to the peer, down the way back.
func (b *bench) up(channel uint16) relay.Flow {
	return relay.Flow{
		Key: relay.Key{Local: b.listen.Local(), Remote: b.client.addr, Channel: channel},
		Out: relay.Out{Src: b.out.Local(), Dst: b.peer.addr},
	}
}

func (b *bench) down(channel uint16) relay.Flow {
	return relay.Flow{
		Key: relay.Key{Local: b.out.Local(), Remote: b.peer.addr},
		Out: relay.Out{Src: b.listen.Local(), Dst: b.client.addr, Channel: channel},
	}
}

func (b *bench) install(f relay.Flow) relay.FlowID {
	b.t.Helper()
	id, err := b.relay.Install(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// hear returns the next datagram that came to a handler.
func (b *bench) hear() relay.Datagram {
	b.t.Helper()
	select {
	case d := <-b.heard:
		return d
	case <-time.After(patience):
		b.t.Fatal("nothing came to the handler")
		return relay.Datagram{}
	}
}

// left waits until n datagrams have left for a reason.
func (b *bench) left(why bpf.Reason, n uint64) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for b.relay.Reasons()[why] != n {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: %d datagrams, want %d", why, b.relay.Reasons()[why], n)
		}
		time.Sleep(time.Millisecond)
	}
}

// end is a client or a peer: a socket of the standard library.
type end struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
}

const patience = 5 * time.Second

func newEnd(t testing.TB, at netip.Addr) *end {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &end{t: t, conn: conn, addr: relay.Canonical(conn.LocalAddr().(*net.UDPAddr).AddrPort())}
}

func (e *end) send(to netip.AddrPort, payload string) {
	e.t.Helper()
	if _, err := e.conn.WriteToUDPAddrPort([]byte(payload), to); err != nil {
		e.t.Fatal(err)
	}
}

// receive checks the next datagram and where it came from.
func (e *end) receive(from netip.AddrPort, payload string) {
	e.t.Helper()
	b := make([]byte, 1<<16)
	_ = e.conn.SetReadDeadline(time.Now().Add(patience))
	n, sender, err := e.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		e.t.Fatal(err)
	}
	if got := string(b[:n]); got != payload || relay.Canonical(sender) != from {
		e.t.Errorf("got %.40q from %s, want %.40q from %s", got, sender, payload, from)
	}
}
