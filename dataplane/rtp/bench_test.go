package rtp

import (
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// BenchmarkCall sets up and releases the media of an audio call: four sockets, four
// gates, two pairs of flows. It is without a kernel's relay, and without packets.
func BenchmarkCall(b *testing.B) {
	s := newSite(b, nil)
	remote := [2]Remote{
		{RTP: netip.MustParseAddrPort("127.0.0.2:5004"), Send: true, Receive: true, ClockHz: 8000},
		{RTP: netip.MustParseAddrPort("127.0.0.3:5004"), Send: true, Receive: true, ClockHz: 8000},
	}
	b.ReportAllocs()
	for b.Loop() {
		c := s.media.Open("call:1", Side{Local: ours}, Side{Local: ours})
		for l, r := range remote {
			if _, err := c.Local(0, Leg(l)); err != nil {
				b.Fatal(err)
			}
			if err := c.Set(0, Leg(l), r); err != nil {
				b.Fatal(err)
			}
		}
		c.Release()
	}
}

// BenchmarkLatch judges a packet of somebody who fits, which is what the first packets of
// a stream cost beside reading and sending them.
func BenchmarkLatch(b *testing.B) {
	now, p := time.Now(), classify(rtpOf(1, 2, 3))
	b.ReportAllocs()
	for b.Loop() {
		l := latch{patience: time.Second}
		l.signal(signalled, natAddr, nil, now)
		if l.take(natOne, p, now) != moved {
			b.Fatal("not learned")
		}
	}
}

// BenchmarkStranger is what a packet costs that got as far as the process and fits
// nothing: from the right address after the window closed.
func BenchmarkStranger(b *testing.B) {
	s := newSite(b, nil)
	r := Remote{RTP: netip.MustParseAddrPort("127.0.0.2:5004"), Send: true, Receive: true}
	for l := range 2 {
		if err := s.call.Set(0, Leg(l), r); err != nil {
			b.Fatal(err)
		}
	}
	d := relay.Datagram{Remote: netip.MustParseAddrPort("127.0.0.2:5006"), Payload: rtpOf(1, 2, 3)}
	b.ReportAllocs()
	for b.Loop() {
		s.call.streams[0].received(LegA, laneRTP, d)
	}
}

// BenchmarkLook is what a second look at a thousand calls costs whose windows are closed
// for RTP and open for RTCP, which never came.
func BenchmarkLook(b *testing.B) {
	s := newSite(b, func(c *Config) { c.Timeout = time.Hour })
	r := Remote{RTP: netip.MustParseAddrPort("127.0.0.2:5004"), Send: true, Receive: true}
	const calls = 1000
	for range calls {
		c := s.media.Open("call:1", Side{Local: ours}, Side{Local: ours})
		defer c.Release()
		for l := range 2 {
			if err := c.Set(0, Leg(l), r); err != nil {
				b.Fatal(err)
			}
		}
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(maxPause)
		s.media.look(now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/call")
}
