package userspace

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// Relaying allocates nothing, whatever the batch looks like.
func TestForwardingAllocatesNothing(t *testing.T) {
	for _, dir := range []relay.Direction{relay.Up, relay.Down} {
		t.Run(dir.String(), func(t *testing.T) {
			y := newYard(t, 5, dir)
			done := 0
			round := func() {
				y.fill(done)
				done += burst
				y.relay.loops[0].turn(patience)
				y.drain()
			}
			round() // the RTP counters of each flow
			if n := testing.AllocsPerRun(50, round); n != 0 {
				t.Errorf("%v allocations for %d datagrams", n, burst)
			}
			if n := y.relay.Reasons()[bpf.ReasonForwarded]; n != uint64(done) {
				t.Errorf("%d of %d forwarded", n, done)
			}
		})
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	payload := []byte("hello")
	if n := testing.AllocsPerRun(50, func() { _ = s.out.Send(payload, s.peer.addr, relay.Meta{HopLimit: 9}) }); n != 0 {
		t.Errorf("Send: %v allocations", n)
	}
	up := s.up()
	up.Stream = true
	s.install(up)
	if n := testing.AllocsPerRun(50, func() { s.relay.Forward(up.Key, payload) }); n != 0 {
		t.Errorf("Forward: %v allocations", n)
	}
}

// traffic sends to an address until the test ends.
func traffic(t *testing.T, from *end, to netip.AddrPort, payload string) {
	t.Helper()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			from.send(to, payload)
		}
	})
	t.Cleanup(func() {
		stop.Store(true)
		wg.Wait()
	})
}

// await gives way to other goroutines until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience * time.Millisecond); !so(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not so", what)
		}
	}
}

// ME-07, and what frees a port: after Remove and Replace nothing goes the old way.
func TestRemoveUnderLoad(t *testing.T) {
	r := running(t, 2)
	var heard atomic.Uint64
	listen := openPort(t, r, loopback4, relay.PortListener, func(relay.Socket, relay.Datagram) { heard.Add(1) })
	out := openPort(t, r, loopback4, relay.PortRelay, nil)
	client, peer := newEnd(t, loopback4), newEnd(t, loopback4)
	f := relay.Flow{
		Key: relay.Key{Local: listen.Local(), Remote: client.addr, Channel: channel},
		Out: relay.Out{Src: out.Local(), Dst: peer.addr},
	}
	traffic(t, client, listen.Local(), message("x"))
	counted := uint64(0)
	for range 50 {
		id, err := r.Install(f)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "relayed", func() bool { return r.Counters(id).Packets > 0 })
		c := r.Remove(id)
		counted += c.Packets
		if n := gone(r); n != counted {
			t.Fatalf("%d relayed when the flow was removed, %d counted", n, counted)
		}
		before := heard.Load()
		await(t, "heard", func() bool { return heard.Load() > before+10 })
		if n := gone(r); n != counted {
			t.Fatalf("%d relayed after the flow was removed", n-counted)
		}
	}
}

// gone is how many datagrams flows have taken; a full buffer loses some of them.
func gone(r *Relay) uint64 {
	n := r.Reasons()
	return n[bpf.ReasonForwarded] + n[bpf.ReasonSendFailed]
}

// Everything at once, for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	r := running(t, 2)
	client, peer := newEnd(t, loopback4), newEnd(t, loopback4)
	listen := openPort(t, r, loopback4, relay.PortListener, func(s relay.Socket, d relay.Datagram) {
		_ = s.Send(d.Payload, d.Remote, relay.Meta{})
	})
	traffic(t, client, listen.Local(), message("x"))
	traffic(t, client, listen.Local(), request)
	var wg sync.WaitGroup
	for worker := range uint16(3) {
		wg.Go(func() {
			for range 50 {
				churn(t, r, listen, client, peer, channel+worker)
			}
		})
	}
	wg.Go(func() {
		for range 300 {
			r.Reasons()
			r.SetClock(0, 8000)
			r.Counters(1)
			runtime.Gosched()
		}
	})
	wg.Wait()
}

// churn is the life of an allocation.
func churn(t *testing.T, r *Relay, listen relay.Socket, client, peer *end, number uint16) {
	out, err := r.Open(netip.AddrPortFrom(loopback4, 0), func(relay.Socket, relay.Datagram) {})
	if err != nil {
		t.Error(err)
		return
	}
	local := out.Local()
	up := relay.Flow{
		Key: relay.Key{Local: listen.Local(), Remote: client.addr, Channel: number},
		Out: relay.Out{Src: local, Dst: peer.addr},
	}
	down := relay.Flow{
		Key: relay.Key{Local: local, Remote: peer.addr},
		Out: relay.Out{Src: listen.Local(), Dst: client.addr, Channel: number},
	}
	stream := up
	stream.Stream = true
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	check(r.OpenPort(local, relay.PortRelay))
	check(r.Permit(local, peer.addr.Addr(), time.Now().Add(time.Minute)))
	ids := make([]relay.FlowID, 3)
	for i, f := range []relay.Flow{up, down, stream} {
		ids[i], err = r.Install(f)
		check(err)
	}
	peer.send(local, "y")
	r.Forward(stream.Key, []byte("z"))
	up.Out.Channel = number
	check(r.Replace(ids[0], up))
	check(r.Revoke(local, peer.addr.Addr()))
	for _, id := range ids {
		r.Remove(id)
	}
	check(r.ClosePort(local))
	check(out.Close())
}
