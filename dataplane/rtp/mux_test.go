package rtp

import (
	"testing"
)

// Both ends have RTCP on RTP's port: one pair of flows carries both.
// ME-02
func TestMuxOnBothLegs(t *testing.T) {
	s := newSite(t, nil)
	a, b := newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")
	toA, toB := s.ports(0, LegA), s.ports(0, LegB)
	ra, rb := a.remote(), b.remote()
	ra.Mux, rb.Mux = true, true
	s.set(0, LegA, ra)
	s.set(0, LegB, rb)
	if n := len(s.engine.List()); n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
	b.hears(laneRTP, toB.RTP, a.talk(toA.RTP))
	a.send(laneRTP, toA.RTP, rtcpOf(1))
	b.hears(laneRTP, toB.RTP, rtcpOf(1))
	b.send(laneRTP, toB.RTP, rtcpOf(2))
	a.hears(laneRTP, toA.RTP, rtcpOf(2))
	if c := s.media.Counts(); c.Relayed != 0 {
		t.Errorf("%d packets relayed by hand", c.Relayed)
	}
}

// One end has RTCP on RTP's port and the other has not: RTP stays a flow, and RTCP is
// told apart by hand. Which of the two does makes no difference.
// ME-02
func TestMuxOnOneLeg(t *testing.T) {
	for _, muxing := range []Leg{LegA, LegB} {
		t.Run(muxing.String(), func(t *testing.T) {
			s := newSite(t, nil)
			ends := [2]*end{newEnd(t, "127.0.0.2"), newEnd(t, "127.0.0.3")}
			to := [2]Ports{s.ports(0, LegA), s.ports(0, LegB)}
			for l, e := range ends {
				r := e.remote()
				r.Mux = Leg(l) == muxing
				s.set(0, Leg(l), r)
			}
			m, o := ends[muxing], ends[muxing.Other()]
			toM, toO := to[muxing], to[muxing.Other()]

			o.send(laneRTCP, toO.RTCP, rtcpOf(1)) // it may not multiplex after all
			m.hears(laneRTCP, toM.RTCP, rtcpOf(1))
			m.send(laneRTCP, toM.RTCP, rtcpOf(2))
			o.hears(laneRTCP, toO.RTCP, rtcpOf(2))

			m.send(laneRTP, toM.RTP, rtcpOf(3)) // but it does
			o.hears(laneRTCP, toO.RTCP, rtcpOf(3))
			o.send(laneRTCP, toO.RTCP, rtcpOf(4))
			m.hears(laneRTP, toM.RTP, rtcpOf(4))
			for range 10 {
				o.hears(laneRTP, toO.RTP, m.talk(toM.RTP))
				m.hears(laneRTP, toM.RTP, o.talk(toO.RTP))
			}
			if c := s.media.Counts(); c.Relayed != 1 {
				t.Errorf("%d packets relayed by hand, want the one of RTCP", c.Relayed)
			}
			if got := s.stream(0); got.A.Packets != 10 || got.B.Packets != 10 {
				t.Errorf("%+v", got)
			}
		})
	}
}
