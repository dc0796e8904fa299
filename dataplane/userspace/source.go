package userspace

import (
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

// Limits of RFC 3550 A.1, as in bpf/stats.h.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// source counts one synchronisation source (RFC 3550 A.1, A.3, A.8). It follows
// bpf/stats.h: a first packet counts at once, without probation, and what a restart
// of the sequence had lost before is kept.
type source struct {
	ssrc      uint32
	timestamp uint32 // of the last packet
	arrival   int64  // of the last packet
	jitter    uint64 // RTP units, times 16
	received  uint64
	before    struct{ expected, received uint64 } // before the last restart
	cycles    uint64
	baseSeq   uint16
	maxSeq    uint16
	badSeq    uint16
	clock     clock
}

func (s *source) start(h rtp, now int64) {
	*s = source{ssrc: h.ssrc, timestamp: h.timestamp, arrival: now}
	s.clock.start(h.timestamp, now)
	s.begin(h.seq)
	s.received = 1
}

func (s *source) begin(seq uint16) {
	s.received, s.cycles = 0, 0
	s.baseSeq, s.maxSeq, s.badSeq = seq, seq, seq+1
}

func (s *source) restart(h rtp, now int64) {
	s.before.expected += s.expected()
	s.before.received += s.received
	s.begin(h.seq)
	s.clock.start(h.timestamp, now)
}

// expected is what was sent since the last restart.
func (s *source) expected() uint64 {
	return s.cycles<<16 + uint64(s.maxSeq) - uint64(s.baseSeq) + 1
}

func (s *source) count(h rtp, now int64, hz uint32) {
	switch ahead := h.seq - s.maxSeq; {
	case ahead < maxDropout:
		if h.seq < s.maxSeq {
			s.cycles++
		}
		s.maxSeq = h.seq
		s.received++
		s.clock.observe(h.timestamp, now)
	case int(ahead) > 1<<16-maxMisorder: // late, or a duplicate
		s.received++
	case h.seq == s.badSeq: // the second in a row after a great jump
		s.restart(h, now)
		s.received++
	default:
		s.badSeq = h.seq + 1
	}
	s.measure(h.timestamp, now, hz)
}

// measure does RFC 3550 A.8 on differences, so that the clocks need no common start.
func (s *source) measure(timestamp uint32, now int64, hz uint32) {
	elapsed := now - s.arrival
	d := int64(int32(timestamp - s.timestamp))
	s.timestamp, s.arrival = timestamp, now
	if hz == 0 {
		hz = s.clock.hz
	}
	if hz == 0 || elapsed > int64(4*time.Second) {
		return
	}
	d = abs(elapsed*int64(hz)/int64(time.Second) - d)
	s.jitter += uint64(d) - (s.jitter+8)>>4
}

func (s *source) report(hz uint32) relay.RTP {
	if hz == 0 {
		hz = s.clock.hz
	}
	r := relay.RTP{
		SSRC:     s.ssrc,
		Expected: s.before.expected + s.expected(),
		Received: s.before.received + s.received,
		ClockHz:  hz,
	}
	r.Lost = int64(r.Expected - r.Received)
	if hz != 0 {
		r.JitterMs = float64(s.jitter) / 16 / float64(hz) * 1000
	}
	return r
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
