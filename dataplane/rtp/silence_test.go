package rtp

import (
	"net/netip"
	"testing"
	"time"
)

// A call without media is told of, once.
func TestSilence(t *testing.T) {
	const timeout = time.Minute
	talked := func(s *site, stream int) (a, b *end) {
		a, b = newEnd(s.t, "127.0.0.2"), newEnd(s.t, "127.0.0.3")
		toA, toB := s.ports(stream, LegA), s.ports(stream, LegB)
		s.joined(stream, a, b)
		b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
		return a, b
	}
	held := func(e *end, zero bool) Remote {
		r := e.remote()
		r.Send, r.Receive = zero, zero
		if zero {
			r.RTP = netip.AddrPortFrom(netip.IPv4Unspecified(), 4000)
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		set    func(s *site)
		silent bool
	}{
		{"media stopped", func(s *site) { talked(s, 0) }, true},
		{"there never was any", func(s *site) {
			s.ports(0, LegA)
			s.joined(0, newEnd(s.t, "127.0.0.2"), newEnd(s.t, "127.0.0.3"))
		}, true},
		{"slides that nobody shows do not keep it", func(s *site) {
			talked(s, 0)
			s.joined(1, newEnd(s.t, "127.0.0.2"), newEnd(s.t, "127.0.0.3"))
		}, true},
		{"not answered", func(s *site) { s.set(0, LegA, newEnd(s.t, "127.0.0.2").remote()) }, false},
		{"on hold", func(s *site) {
			a, b := talked(s, 0)
			s.set(0, LegA, held(a, false))
			s.set(0, LegB, held(b, false))
		}, false},
		{"on hold, with slides that nobody showed", func(s *site) {
			a, b := talked(s, 0)
			s.joined(1, newEnd(s.t, "127.0.0.2"), newEnd(s.t, "127.0.0.3"))
			s.set(0, LegA, held(a, false))
			s.set(0, LegB, held(b, false))
		}, false},
		{"on hold as RFC 2543 has it", func(s *site) {
			a, b := talked(s, 0)
			s.set(0, LegA, held(a, true))
			s.set(0, LegB, held(b, true))
		}, false},
		{"held by one, with music", func(s *site) {
			a, _ := talked(s, 0)
			r := a.remote()
			r.Receive = false
			s.set(0, LegA, r)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Timeout = timeout })
			tt.set(s)
			now := time.Now()
			s.media.look(now.Add(timeout / 2))
			if len(s.silent) != 0 {
				t.Error("told too early")
			}
			for range 3 {
				now = now.Add(timeout + time.Second)
				s.media.look(now)
			}
			want := 0
			if tt.silent {
				want = 1
			}
			if len(s.silent) != want {
				t.Errorf("told %d times, want %d", len(s.silent), want)
			}
		})
	}
}

// A packet, of RTCP too, and signalling are signs of life.
func TestSignsOfLife(t *testing.T) {
	const timeout = time.Minute
	s := newSite(t, func(c *Config) { c.Timeout = timeout })
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	s.joined(0, a, b)
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	last := func() time.Time {
		s.call.mu.Lock()
		defer s.call.mu.Unlock()
		at, expected := s.call.lastSign()
		if !expected {
			t.Error("nothing is expected")
		}
		return at
	}
	first := last()
	a.send(laneRTCP, toA.RTCP, rtcpOf(1))
	b.hears(laneRTCP, toB.RTCP, rtcpOf(1))
	eventually(t, "RTCP counts", func() bool { return last().After(first) })
	first = last()
	s.set(0, LegA, a.remote())
	if !last().After(first) {
		t.Error("signalling does not count")
	}
	s.media.look(first.Add(timeout))
	if len(s.silent) != 0 {
		t.Error("told too early")
	}
}
