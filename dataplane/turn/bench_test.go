package turn

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike.dev/turnpike/dataplane/relay"
)

// null is a data plane that does nothing, to see what the server itself costs.
type null struct{}

func (null) Add(relay.Pair) (relay.ID, error)                   { return 1, nil }
func (null) Update(relay.ID, relay.Pair) error                  { return nil }
func (null) Renew(relay.ID, time.Time) error                    { return nil }
func (null) Remove(relay.ID) ([2]relay.FlowStats, error)        { return [2]relay.FlowStats{}, nil }
func (null) Stats(relay.ID) (relay.PairInfo, error)             { return relay.PairInfo{}, nil }
func (null) List() []relay.PairInfo                             { return nil }
func (null) Forward(relay.Key, []byte) bool                     { return false }
func (null) OpenPort(netip.AddrPort, relay.PortKind) error      { return nil }
func (null) ClosePort(netip.AddrPort) error                     { return nil }
func (null) Revoke(netip.AddrPort, netip.Addr) error            { return nil }
func (null) Permit(netip.AddrPort, netip.Addr, time.Time) error { return nil }
func (null) Open(a netip.AddrPort, _ func(relay.Socket, relay.Datagram)) (relay.Socket, error) {
	return nullSocket{a}, nil
}

type nullSocket struct{ local netip.AddrPort }

func (s nullSocket) Local() netip.AddrPort                       { return s.local }
func (nullSocket) Send([]byte, netip.AddrPort, relay.Meta) error { return nil }
func (nullSocket) Close() error                                  { return nil }

func nullServer(tb testing.TB, edit func(*Config)) *Server {
	cfg := testConfig()
	cfg.PortMax = 60000
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg, null{}, null{}, null{}, discard{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.openJournal(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.shut)
	return s
}

// signer makes signed requests of one client.
type signer struct {
	server *Server
	addr   netip.AddrPort
	key    stun.MessageIntegrity
	sock   relay.Socket
}

func (s *Server) signer(i int) signer {
	ip := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
	return signer{s, netip.AddrPortFrom(ip, 40000), stun.NewLongTermIntegrity("u", "test", "p"), nullSocket{serverAddr}}
}

func (c signer) request(method stun.Method, attrs ...attr) []byte {
	m := message(method, stun.ClassRequest, attrs...)
	m.Add(stun.AttrUsername, []byte("u"))
	m.Add(stun.AttrRealm, []byte("test"))
	m.Add(stun.AttrNonce, c.server.nonces.issue(c.addr, time.Now()))
	_ = c.key.AddTo(m)
	return m.Raw
}

func (c signer) send(packet []byte) {
	c.server.fromClient(c.sock, relay.Datagram{Local: serverAddr, Remote: c.addr, Payload: packet})
}

func (c signer) setUp() {
	c.send(c.request(stun.MethodAllocate, udpTransport()))
	c.send(c.request(stun.MethodCreatePermission, peer(peerAddr)))
	c.send(c.request(stun.MethodChannelBind, channelNumber(0x4000), peer(peerAddr)))
}

// BenchmarkSetUp is an unauthenticated Allocate, Allocate, CreatePermission,
// ChannelBind and Refresh with lifetime 0. It leaves out sockets, flow table and
// kernel, and counts the client's signing.
func BenchmarkSetUp(b *testing.B) {
	for name, edit := range map[string]func(*Config){
		"journal": func(c *Config) { c.JournalPath = b.TempDir() + "/turn.journal" },
		"memory":  nil,
	} {
		b.Run(name, func(b *testing.B) {
			s := nullServer(b, edit)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c := s.signer(i % 65536)
				c.send(message(stun.MethodAllocate, stun.ClassRequest, udpTransport()).Raw)
				c.setUp()
				c.send(c.request(stun.MethodRefresh, lifetime(0)))
				i++
			}
			if got := s.Stats().Answers[0]; got != uint64(4*i) {
				b.Fatalf("%d successes of %d", got, 4*i)
			}
		})
	}
}

// BenchmarkSendIndication is one Send indication of 1000 bytes from listener to relay
// socket. It leaves out the system calls.
func BenchmarkSendIndication(b *testing.B) {
	s := nullServer(b, nil)
	c := s.signer(1)
	c.setUp()
	packet := message(stun.MethodSend, stun.ClassIndication, peer(peerAddr), data(string(make([]byte, 1000)))).Raw
	b.ReportAllocs()
	for b.Loop() {
		c.send(packet)
	}
	if n := s.Stats().RefusedSends; n != 0 {
		b.Fatalf("%d refused", n)
	}
}

// BenchmarkDataIndication is one datagram of 1000 bytes from a peer without channel.
// It leaves out the system calls.
func BenchmarkDataIndication(b *testing.B) {
	s := nullServer(b, nil)
	c := s.signer(1)
	c.send(c.request(stun.MethodAllocate, udpTransport()))
	c.send(c.request(stun.MethodCreatePermission, peer(peerAddr)))
	x := s.byID[1].relays[ipv4]
	payload := make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		s.fromPeer(x, relay.Datagram{Local: x.local, Remote: peerAddr, Payload: payload})
	}
	if n := s.Stats().Strangers; n != 0 {
		b.Fatalf("%d refused", n)
	}
}

// BenchmarkRestore takes over 6000 allocations with one channel each. It leaves out
// sockets, flow table and kernel.
func BenchmarkRestore(b *testing.B) {
	path := b.TempDir() + "/turn.journal"
	journal := func(c *Config) { c.JournalPath = path }
	s := nullServer(b, journal)
	for i := range 6000 {
		s.signer(i).setUp()
	}
	for b.Loop() {
		cfg := edited(journal)
		cfg.PortMax = 60000
		next, err := New(cfg, null{}, null{}, null{}, discard{})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := next.Restore(); n != 6000 || err != nil {
			b.Fatalf("%d taken over, error %v", n, err)
		}
	}
}

// An allocation with a channel costs at most 3 KiB, without its socket.
func TestMemoryPerAllocation(t *testing.T) {
	s := nullServer(t, func(c *Config) { c.JournalPath = t.TempDir() + "/turn.journal" })
	const n = 2000
	before := heapInUse()
	for i := range n {
		s.signer(i).setUp()
	}
	per := (heapInUse() - before) / n
	t.Logf("%d bytes for each allocation", per)
	if per > 3<<10 {
		t.Errorf("%d bytes for each allocation, want at most 3 KiB", per)
	}
	if len(s.allocations) != n {
		t.Fatalf("%d allocations", len(s.allocations))
	}
}

func heapInUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
