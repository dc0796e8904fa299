package rtp

import (
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// record is what one end sent, and who carried the last packet of it.
type record struct {
	relay.Counters
	path   relay.Path // empty: nothing was carried
	reason string
}

func recordOf(f relay.FlowStats) record {
	return record{Counters: f.Counters, path: f.Last, reason: f.Reason}
}

// add puts in what was carried in another way. The path is that of the later packet.
func (r *record) add(other record) {
	if other.path != "" && !other.LastSeen.Before(r.LastSeen) || r.path == "" {
		r.path, r.reason = other.path, other.reason
	}
	r.Counters.Add(other.Counters)
}

// maxSources bounds the sources of a stream that are kept when its flows change.
const maxSources = 16

// settle puts the parts of each source together.
func (r *record) settle() {
	r.Finish(r.clock())
	r.RTP = r.RTP[max(len(r.RTP)-maxSources, 0):]
}

// clock is the RTP clock that the table measured with.
func (r *record) clock() (hz uint32) {
	for _, source := range r.RTP {
		hz = max(hz, source.ClockHz)
	}
	return hz
}

// carried is what came from leg l's end so far in one lane.
func (s *stream) carried(l Leg, n lane) record {
	r := s.pairs[n].past[l]
	r.RTP = append([]relay.RTP(nil), r.RTP...) // Add appends to it
	if p := &s.pairs[n]; p.installed {
		if info, err := s.call.media.cfg.Table.Stats(p.id); err == nil {
			r.add(recordOf(info.Stats[l]))
		}
	}
	r.add(s.legs[l].hand[n].record(s.pairs[n].reason))
	return r
}

// flowed is when a flow last carried a packet of the source that leg l's latch believes.
func (s *stream) flowed(l Leg, n lane) time.Time {
	if p := &s.pairs[n]; p.installed {
		if info, err := s.call.media.cfg.Table.Stats(p.id); err == nil {
			return info.Stats[l].LastSeen
		}
	}
	return time.Time{}
}

// figures are a stream's, for a call's record.
func (s *stream) figures() Stream {
	a, b := s.carried(LegA, laneRTP), s.carried(LegB, laneRTP)
	out := Stream{Index: s.index, A: s.direction(LegA, a), B: s.direction(LegB, b)}
	last := a
	if a.path == "" || b.path != "" && b.LastSeen.After(a.LastSeen) {
		last = b
	}
	out.Path = string(last.path)
	if last.path != relay.PathXDP {
		out.Reason = last.reason
	}
	return out
}

func (s *stream) direction(l Leg, r record) Direction {
	hz := s.legs[l].remote.ClockHz
	if hz == 0 {
		hz = s.legs[l.Other()].remote.ClockHz
	}
	r.Finish(max(hz, r.clock()))
	d := Direction{Packets: r.Packets, Bytes: r.Bytes, LastSeen: r.LastSeen}
	var most uint64
	for _, source := range r.RTP {
		d.Lost += source.Lost
		if source.Received > most {
			most, d.JitterMs = source.Received, source.JitterMs
		}
	}
	return d
}

// tally counts what was relayed by hand from one end.
type tally struct {
	packets, bytes uint64
	last           time.Time
	source         relay.RTP // the last one; the few packets by hand are of one
}

func (t *tally) count(p packet, size int, now time.Time) {
	t.packets++
	t.bytes += uint64(size)
	t.last = now
	if p.kind != kindRTP {
		return
	}
	const late = 1 << 15
	seq := uint32(p.seq)
	switch ahead := p.seq - uint16(t.source.Last); {
	case t.source.Received == 0 || t.source.SSRC != p.ssrc:
		t.source = relay.RTP{SSRC: p.ssrc, First: seq, Last: seq}
	case ahead < late:
		t.source.Last += uint32(ahead)
	}
	t.source.Received++
	t.source.Timestamp, t.source.Arrival = p.timestamp, arrival()
}

// record is the tally beside what flows carried of the same source.
func (t *tally) record(reason string) record {
	if t.packets == 0 {
		return record{}
	}
	r := record{path: relay.PathUserspace, reason: reason}
	if reason == "" {
		r.reason = "there was no flow yet"
	}
	r.Packets, r.Bytes, r.LastSeen = t.packets, t.bytes, t.last
	if t.source.Received > 0 {
		r.RTP = []relay.RTP{t.source}
	}
	return r
}

// arrival is now as relay.RTP has it.
func arrival() uint32 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail on Linux
	return uint32(ts.Nano() >> 10)
}
