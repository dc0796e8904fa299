package userspace

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// BenchmarkForward measures what a loop does with a datagram, from epoll_wait to the
// return of sendmmsg, over loopback. The client's sending and the peer's receiving
// are left out; the kernel's delivery into the peer's socket, which loopback does
// within sendmmsg, is not. There is no network card, no interrupt and no other core
// in it.
func BenchmarkForward(b *testing.B) {
	for _, flows := range []int{1, 64, 2000} {
		for _, dir := range []relay.Direction{relay.Up, relay.Down} {
			b.Run(fmt.Sprintf("%s/%d", dir, flows), func(b *testing.B) {
				benchmarkForward(b, flows, dir)
			})
		}
	}
}

const burst = 32

func benchmarkForward(b *testing.B, flows int, dir relay.Direction) {
	y := newYard(b, flows, dir)
	var busy time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += burst {
		y.fill(done)
		began := time.Now()
		y.relay.loops[0].turn(0)
		busy += time.Since(began)
		y.drain()
	}
	b.StopTimer()
	n := y.relay.Reasons()[bpf.ReasonForwarded]
	if n < uint64(b.N) {
		b.Fatalf("%d of %d forwarded: %v", n, b.N, y.relay.Reasons())
	}
	b.ReportMetric(float64(busy.Nanoseconds())/float64(n), "ns/datagram")
	b.ReportMetric(0, "ns/op")
}

// yard is a relay that only turns when told to, with many flows in one direction.
type yard struct {
	relay  *Relay
	from   []int // descriptors that send; towards these addresses
	to     []sockaddr
	size   []uint32
	sink   int // descriptor that everything arrives at
	outbox *batch
	inbox  *batch
}

// newYard has one client with a channel for each flow, one peer, and a relay socket
// for each flow.
func newYard(t testing.TB, flows int, dir relay.Direction) *yard {
	t.Helper()
	s := newSite(t, loopback4, loopback4)
	s.relay.now = time.Now
	y := &yard{relay: s.relay, outbox: buffers(t), inbox: buffers(t)}
	for i := range flows {
		out := s.open(loopback4, relay.PortRelay)
		number := uint16(0x4000 + i)
		f := relay.Flow{
			Key: relay.Key{Local: s.listen.Local(), Remote: s.client.addr, Channel: number},
			Out: relay.Out{Src: out.Local(), Dst: s.peer.addr},
		}
		at, fd := s.listen.Local(), s.client.fd
		y.sink = s.peer.fd
		if dir == relay.Down {
			f.Key = relay.Key{Local: out.Local(), Remote: s.peer.addr}
			f.Out = relay.Out{Src: s.listen.Local(), Dst: s.client.addr, Channel: number}
			at, fd = out.Local(), s.peer.fd
			y.sink = s.client.fd
		}
		f.RateKbps = 4e9
		f.ClockHz = 90000
		s.install(f)
		y.from = append(y.from, fd)
		y.to = append(y.to, sockaddr{})
		y.size = append(y.size, y.to[i].set(at))
	}
	for i := range burst {
		y.message(i, dir)
	}
	return y
}

// message makes the datagram in slot i: 160 bytes of RTP, as ChannelData if it goes up.
func (y *yard) message(i int, dir relay.Direction) {
	b := y.outbox.slot(i)[:channelHeader+172]
	copy(b[channelHeader:], "\x80\x00\x00\x01\x00\x00\x00\x01SSRC"+strings.Repeat("x", 160))
	if dir == relay.Down {
		b = b[channelHeader:]
	}
	fill(&y.outbox.outIov[i], b)
}

// fill sends the next burst to the relay.
func (y *yard) fill(done int) {
	for i := range burst {
		at := (done + i) % len(y.to)
		b := y.outbox.slot(i)
		putChannel(b, uint16(0x4000+at), 172)
		msg := &y.outbox.out[i].msg
		msg.Name, msg.Namelen = &y.to[at][0], y.size[at]
		msg.Control, msg.Controllen = nil, 0
	}
	for v := y.outbox.out[:burst]; len(v) > 0; {
		n, errno := sendmmsg(y.from[0], v)
		if errno != 0 {
			panic(errno)
		}
		v = v[n:]
	}
}

func (y *yard) drain() {
	for {
		if n, _ := recvmmsg(y.sink, y.inbox.next()); n == 0 {
			return
		}
	}
}

// BenchmarkRelays measures making a thousand relays, each a socket, its port in the
// gate, a permission and two flows, and what of one lies on the heap. The system's
// own memory for a socket is left out.
func BenchmarkRelays(b *testing.B) {
	const relays = 1000
	s := newSite(b, loopback4, loopback4)
	grown := uint64(0)
	for range b.N {
		before := heap()
		b.StartTimer()
		undo := make([]func(), relays)
		for i := range undo {
			undo[i] = s.allocate(uint16(0x4000 + i))
		}
		b.StopTimer()
		grown += heap() - before
		for _, f := range undo {
			f()
		}
	}
	b.ReportMetric(float64(grown)/float64(relays*b.N), "heap-bytes/relay")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(relays*b.N), "ns/relay")
}

// allocate makes a relay and returns what ends it.
func (s *site) allocate(number uint16) func() {
	out := s.open(loopback4, relay.PortRelay)
	if err := s.relay.Permit(out.Local(), s.peer.addr.Addr(), s.now); err != nil {
		s.t.Fatal(err)
	}
	up, down := s.up(), s.down()
	up.Key.Channel = number
	up.Out.Src, down.Key.Local = out.Local(), out.Local()
	ids := []relay.FlowID{s.install(up), s.install(down)}
	return func() {
		for _, id := range ids {
			s.relay.Remove(id)
		}
		if err := errors.Join(s.relay.ClosePort(out.Local()), out.Close()); err != nil {
			s.t.Error(err)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMatch measures the look-up alone: a listener with 6000 flows, one reader.
func BenchmarkMatch(b *testing.B) {
	const flows = 6000
	p := &port{kind: relay.PortListener, flows: make(map[sender]*flow)}
	from := make([]sockaddr, flows)
	for i := range from {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5000)
		from[i].set(at)
		f := &flow{}
		f.action.Store(&action{})
		p.flows[senderOf(at, 0x4000)] = f
	}
	message := []byte("\x40\x00\x00\x04data")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if hit, _ := p.match(&from[i%flows], message, 0); hit.flow == nil {
			b.Fatal("no flow")
		}
	}
}

// BenchmarkAccept measures counting and policing of an RTP packet alone: with a bucket of
// the flow's own, and with such as it shares.
func BenchmarkAccept(b *testing.B) {
	for _, shared := range []int{0, 1, 2, 7} {
		b.Run(fmt.Sprintf("%d groups", shared), func(b *testing.B) {
			f := &flow{}
			f.policer.grant(4e9, 0)
			f.media.setClock(90000)
			for range shared {
				bucket := &bucket{}
				bucket.full = &bucket.own
				bucket.grant(relay.Limit{Kbps: 4e9, Depth: time.Second})
				f.buckets = append(f.buckets, bucket)
			}
			packet := make([]byte, 172)
			packet[0] = 0x80
			now := int64(0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				packet[2], packet[3] = byte(i>>8), byte(i)
				now += 20e6
				if f.accept(packet, now) != bpf.ReasonForwarded {
					b.Fatal("policed")
				}
			}
		})
	}
}
