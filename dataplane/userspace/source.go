package userspace

import (
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	maxDropout  = 3000 // RFC 3550 A.1, as in bpf/stats.h
	maxMisorder = 100
	sourceIdle  = int64(time.Minute) // a source quiet for as long gives its place away
)

// source counts one synchronisation source (RFC 3550 A.1, A.3, A.8). It follows
// bpf/stats.h: a first packet counts at once, without probation, and of a sequence
// that came to its end only what it had lost is kept.
type source struct {
	ssrc       uint32
	timestamp  uint32 // of the last packet
	arrival    int64  // of the last packet
	jitter     uint32 // RTP units, times 16
	received   uint64
	lostBefore uint64
	cycles     uint32
	baseSeq    uint16
	maxSeq     uint16
	badSeq     uint16
}

func (s *source) start(h rtp, now int64) {
	*s = source{ssrc: h.ssrc}
	s.begin(h, now)
}

// begin begins a sequence with its first packet.
func (s *source) begin(h rtp, now int64) {
	s.received, s.cycles = 1, 0
	s.baseSeq, s.maxSeq, s.badSeq = h.seq, h.seq, h.seq+1
	s.timestamp, s.arrival = h.timestamp, now
}

func (s *source) first() uint32 { return uint32(s.baseSeq) }

func (s *source) last() uint32 { return s.cycles<<16 + uint32(s.maxSeq) }

// count takes a packet in (RFC 3550 A.1).
func (s *source) count(h rtp, now int64, hz uint32) {
	switch ahead := h.seq - s.maxSeq; {
	case ahead < maxDropout:
		if h.seq < s.maxSeq {
			s.cycles++
		}
		s.maxSeq = h.seq
	case int(ahead) > 1<<16-maxMisorder: // late, or a duplicate
	case h.seq == s.badSeq: // the second in a row after a great jump
		s.lostBefore += uint64(s.last()-s.first()) + 1 - s.received
		s.begin(h, now)
		return
	default:
		s.badSeq = h.seq + 1
		return
	}
	s.received++
	s.measure(h.timestamp, now, hz)
}

// measure does RFC 3550 A.8 on differences, so that the clocks need no common start.
func (s *source) measure(timestamp uint32, now int64, hz uint32) {
	elapsed := now - s.arrival
	sent := int64(int32(timestamp - s.timestamp))
	s.timestamp, s.arrival = timestamp, now
	if hz == 0 || elapsed > sourceIdle {
		return
	}
	d := elapsed*int64(hz)/int64(time.Second) - sent
	s.jitter += uint32(max(d, -d)) - (s.jitter+8)>>4
}

// report gives what relay.Counters.Finish needs. boot is the start of the relay's
// time on CLOCK_MONOTONIC, which the kernel's counters go by.
func (s *source) report(boot int64) relay.RTP {
	return relay.RTP{
		SSRC:       s.ssrc,
		Received:   s.received,
		First:      s.first(),
		Last:       s.last(),
		LostBefore: s.lostBefore,
		Jitter:     s.jitter,
		Timestamp:  s.timestamp,
		Arrival:    uint32((boot + s.arrival) >> 10),
	}
}
