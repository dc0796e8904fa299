package userspace

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// newBucket is a bucket without a relay.
func newBucket(kbps uint32, depth time.Duration) *bucket {
	b := &bucket{}
	b.full = &b.own
	b.grant(relay.Limit{Kbps: kbps, Depth: depth})
	return b
}

// BW-06: in no stretch of time passes more than the grant and one bucket, and a sender
// that keeps to the grant loses nothing; what is given back can be taken again.
func TestBucketModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kbps := rapid.Uint32Range(1, 10_000_000).Draw(t, "kbps")
		depth := time.Duration(rapid.Int64Range(1e9, 5e9).Draw(t, "depth"))
		b := newBucket(kbps, depth)
		perSecond := float64(kbps) * 125
		held := perSecond * depth.Seconds()
		now, credit := int64(0), held // a plain token bucket
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			gap := rapid.Int64Range(0, 2e8).Draw(t, "gap")
			bytes := rapid.IntRange(0, 1500).Draw(t, "bytes")
			now += gap
			credit = min(held, credit+perSecond*float64(gap)/1e9)
			ok := b.take(bytes, now)
			if near := credit - float64(bytes); near > 1+held/1e6 != ok && (near > 1+held/1e6 || near < -1-held/1e6) {
				t.Fatalf("%d bytes with %.1f in the bucket: passed %v", bytes, credit, ok)
			}
			switch {
			case ok && rapid.IntRange(0, 9).Draw(t, "gives back") == 0:
				b.giveBack(bytes)
			case ok:
				credit -= float64(bytes)
			}
		}
	})
}

// However many take at the same moment, a bucket gives what it holds, to the packet.
// BW-06
func TestBucketIsSharedByLoops(t *testing.T) {
	b := newBucket(800, time.Second) // 100,000 bytes
	const takers, size = 8, 100
	var got atomic.Int64
	var work sync.WaitGroup
	for range takers {
		work.Go(func() {
			for range 1000 {
				if takeAll([]*bucket{b}, size, 0) {
					got.Add(size)
				}
			}
		})
	}
	work.Wait()
	if got.Load() != 100_000 {
		t.Errorf("%d bytes were taken of 100000", got.Load())
	}
	if p, d := b.packets.Load(), b.policed.Load(); p != 1000 || d != takers*1000-1000 {
		t.Errorf("%d packets, %d policed", p, d)
	}
}

// Who is refused by one bucket is charged by none, nor by the flow's own.
// BW-06
func TestGroups(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	open := func(g relay.Group, kbps uint32) {
		s.relay.OpenGroup(g, relay.Limit{Kbps: kbps, Depth: time.Second}, nil)
	}
	const call, pipe, free = 1, 2, 3
	open(call, 16) // 2000 bytes
	open(pipe, 8)  // 1000 bytes
	open(free, 0)
	f := s.up()
	f.RateKbps = 24
	f.Groups = [relay.MaxGroups]relay.Group{call, free, 99, pipe}
	id := s.install(f)
	send := func(bytes int) bpf.Reason {
		before := s.relay.Reasons()
		s.client.send(s.listen.Local(), message(string(make([]byte, bytes))))
		s.turn()
		for reason, n := range s.relay.Reasons() {
			if n != before[reason] {
				return bpf.Reason(reason)
			}
		}
		return 0
	}
	stats := func(g relay.Group, want relay.GroupStats) {
		t.Helper()
		if got := s.relay.GroupStats(g); got != want {
			t.Errorf("group %d: %+v, want %+v", g, got, want)
		}
	}
	for i, want := range []bpf.Reason{bpf.ReasonForwarded, bpf.ReasonOverGrant, bpf.ReasonOverGrant} {
		if got := send(800); got != want {
			t.Errorf("packet %d: %s, want %s", i, got, want)
		}
	}
	stats(call, relay.GroupStats{Packets: 1, Bytes: 800})
	stats(free, relay.GroupStats{Packets: 1, Bytes: 800})
	stats(pipe, relay.GroupStats{Packets: 1, Bytes: 800, Policed: 2, PolicedBytes: 1600})
	if c := s.relay.Counters(id); c.Packets != 1 || c.Policed != 2 {
		t.Errorf("the flow counted %+v", c)
	}
	s.relay.CloseGroup(pipe)
	stats(pipe, relay.GroupStats{})
	if got := send(1200); got != bpf.ReasonForwarded { // all that the call has left
		t.Errorf("the pipe is closed: %s", got)
	}
	if got := send(100); got != bpf.ReasonOverGrant {
		t.Errorf("over the call's grant: %s", got)
	}
	s.relay.SetGroup(call, relay.Limit{Depth: time.Second})
	if got := send(900); got != bpf.ReasonForwarded {
		t.Errorf("the call is not limited any more: %s", got)
	}
	if got := send(200); got != bpf.ReasonPoliced { // 100 bytes are left of 3000
		t.Errorf("over the flow's own grant: %s", got)
	}
	s.relay.CloseGroup(call)
	s.relay.CloseGroup(call)
	s.relay.SetGroup(call, relay.Limit{Kbps: 1})
}
