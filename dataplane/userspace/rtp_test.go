package userspace

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
)

// rtpPacket has a payload of so many bytes.
func rtpPacket(ssrc uint32, seq uint16, timestamp uint32, payload int) []byte {
	b := make([]byte, rtpHeader+payload)
	b[0], b[1] = 0x80, 96
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return b
}

// RFC 5761 section 4, RFC 3550 section 5.1.
func TestParseRTP(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want bool
	}{
		{"RTP", rtpPacket(1, 2, 3, 0), true},
		{"with marker", append([]byte{0x80, 0xe0}, make([]byte, 10)...), true},
		{"sender report", append([]byte{0x80, 200}, make([]byte, 10)...), false},
		{"feedback", append([]byte{0x81, 205}, make([]byte, 10)...), false},
		{"first type of the RTCP range", append([]byte{0x80, 192}, make([]byte, 10)...), false},
		{"last type of the RTCP range", append([]byte{0x80, 223}, make([]byte, 10)...), false},
		{"beyond the RTCP range", append([]byte{0x80, 224}, make([]byte, 10)...), true},
		{"header too short", make([]byte, rtpHeader-1), false},
		{"version 1", append([]byte{0x40, 96}, make([]byte, 10)...), false},
		{"STUN", append([]byte{0x00, 0x01}, make([]byte, 18)...), false},
		{"DTLS", append([]byte{22, 0xfe}, make([]byte, 18)...), false},
		{"nothing", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := parseRTP(tt.b); got != tt.want {
				t.Errorf("is RTP: %v, want %v", got, tt.want)
			}
		})
	}
}

// ignoreRaw leaves out what relay.Counters.Finish works with.
var ignoreRaw = cmpopts.IgnoreFields(relay.RTP{},
	"First", "Last", "LostBefore", "Jitter", "Timestamp", "Arrival")

func finished(m *media) []relay.RTP {
	c := m.counters(epoch{})
	c.Finish(m.clockHz)
	return c.RTP
}

// arrival is a packet as the network delivered it.
type arrival struct {
	seq uint64 // not wrapped
	at  int64
}

// network loses, repeats and delays packets of one source.
func network(t *rapid.T) []arrival {
	first := rapid.Uint64Range(1<<16, 1<<17-1).Draw(t, "first")
	n := rapid.IntRange(1, 500).Draw(t, "sent")
	every := rapid.SampledFrom([]int64{5e6, 20e6, 60e6}).Draw(t, "interval")
	var got []arrival
	seq, now := first, int64(0)
	for range n {
		now += every
		a := arrival{seq, now + rapid.Int64Range(0, every/2).Draw(t, "delay")}
		switch rapid.SampledFrom([]string{"ok", "ok", "ok", "ok", "lost", "twice", "late", "gap"}).Draw(t, "fate") {
		case "ok":
			got = append(got, a)
		case "twice":
			got = append(got, a, a)
		case "late": // behind what has come already
			got = append(got, a)
			if i := len(got) - 1; i > 0 && got[i].seq-got[i-1].seq < maxMisorder {
				got[i-1].seq, got[i].seq = got[i].seq, got[i-1].seq
			}
		case "gap":
			seq += rapid.Uint64Range(0, maxDropout/2).Draw(t, "gap")
			got = append(got, arrival{seq, a.at})
		}
		seq++
	}
	return got
}

// ME-05, RFC 3550 A.3: what a count over the whole, unwrapped sequence gives.
func TestLossModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := network(t)
		if len(got) == 0 {
			return
		}
		var m media
		highest := got[0].seq
		for _, a := range got {
			m.countRTP(rtp{ssrc: 7, seq: uint16(a.seq), timestamp: uint32(a.seq) * 160}, a.at)
			highest = max(highest, a.seq)
		}
		expected := highest - got[0].seq + 1
		want := []relay.RTP{{
			SSRC: 7, Expected: expected, Received: uint64(len(got)),
			Lost: int64(expected) - int64(len(got)),
		}}
		if d := cmp.Diff(want, finished(&m), ignoreRaw); d != "" {
			t.Fatalf("want(-) got(+):\n%s", d)
		}
	})
}

// ME-05, RFC 3550 A.8: what the formula gives in floating point.
func TestJitterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hz := rapid.SampledFrom([]uint32{8000, 16000, 44100, 48000, 90000}).Draw(t, "clock")
		got := network(t)
		var m media
		m.setClock(hz)
		var jitter float64
		for i, a := range got {
			timestamp := uint32(a.seq) * hz / 50
			m.countRTP(rtp{ssrc: 7, seq: uint16(a.seq), timestamp: timestamp}, a.at)
			if i == 0 {
				continue
			}
			before := got[i-1]
			sent := float64(int32(timestamp - uint32(before.seq)*hz/50))
			d := float64(a.at-before.at)*float64(hz)/1e9 - sent
			jitter += (math.Abs(d) - jitter) / 16
		}
		if len(got) == 0 {
			return
		}
		want := jitter / float64(hz) * 1000
		// Each step of the integer form is off by up to one and a half units, which
		// the filter adds up to at most 24.
		tolerance := 24 / float64(hz) * 1000
		if r := finished(&m)[0]; math.Abs(r.JitterMs-want) > tolerance {
			t.Fatalf("jitter %.3f ms, want %.3f ms", r.JitterMs, want)
		}
	})
}

// RFC 3550 A.1: a source that begins a new sequence is not said to have lost the
// numbers between; a single stray packet counts for nothing. Of the old sequence
// only the loss is kept.
func TestSequenceRestart(t *testing.T) {
	tests := []struct {
		name string
		seqs []uint16
		want relay.RTP
	}{
		{"restart", []uint16{10, 11, 13, 40000, 40001, 40002}, relay.RTP{Expected: 3, Received: 2, Lost: 1}},
		{"stray", []uint16{10, 11, 40000, 12}, relay.RTP{Expected: 3, Received: 3}},
		{"wrap", []uint16{65534, 65535, 0, 2}, relay.RTP{Expected: 5, Received: 4, Lost: 1}},
		{"late across the wrap", []uint16{65535, 1, 0}, relay.RTP{Expected: 3, Received: 3}},
		{"duplicates", []uint16{5, 5, 5}, relay.RTP{Expected: 1, Received: 3, Lost: -2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m media
			for i, seq := range tt.seqs {
				m.countRTP(rtp{seq: seq}, int64(i))
			}
			if d := cmp.Diff([]relay.RTP{tt.want}, finished(&m), ignoreRaw); d != "" {
				t.Errorf("want(-) got(+):\n%s", d)
			}
		})
	}
}

// At most three sources; one that is quiet for a minute gives way to a new one.
func TestSources(t *testing.T) {
	var m media
	for _, p := range []struct {
		ssrc uint32
		at   int64
	}{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {1, 3}, {3, 3}, {4, sourceIdle + 2}} {
		m.countRTP(rtp{ssrc: p.ssrc}, p.at)
	}
	got := make(map[uint32]uint64)
	for _, r := range finished(&m) {
		got[r.SSRC] = r.Received
	}
	if d := cmp.Diff(map[uint32]uint64{1: 2, 4: 1, 3: 2}, got); d != "" {
		t.Errorf("received by source, want(-) got(+):\n%s", d)
	}
}

// ME-05: the counters of a real flow; SetClock gives the jitter its clock.
func TestRTPThroughTheRelay(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	f := s.up()
	f.ClockHz = 8000
	id := s.install(f)
	for i := range 10 {
		if i == 4 {
			s.now = s.now.Add(20 * time.Millisecond)
			continue
		}
		s.client.send(s.listen.Local(), message(string(rtpPacket(9, uint16(i), uint32(i)*160, 20))))
		s.now = s.now.Add(20 * time.Millisecond)
		s.turn()
	}
	c := s.relay.Counters(id)
	c.Finish(f.ClockHz)
	want := []relay.RTP{{SSRC: 9, Expected: 10, Received: 9, Lost: 1, ClockHz: 8000}}
	if d := cmp.Diff(want, c.RTP, ignoreRaw); d != "" {
		t.Errorf("want(-) got(+):\n%s", d)
	}
}

// Arrival is on the clock that the kernel uses too; SetClock begins the jitter anew.
func TestRawRTP(t *testing.T) {
	s := newSite(t, loopback4, loopback4)
	f := s.up()
	f.ClockHz = 8000
	id := s.install(f)
	for i, at := range []time.Duration{0, 30 * time.Millisecond, 40 * time.Millisecond} {
		s.now = s.relay.epoch.start.Add(at)
		s.client.send(s.listen.Local(), message(string(rtpPacket(9, uint16(65535+i), uint32(i)*160, 20))))
		s.turn()
	}
	want := relay.RTP{
		SSRC: 9, Received: 3, First: 65535, Last: 65537, Timestamp: 320,
		Jitter:  80 + 80 - (80+8)>>4,
		Arrival: uint32((s.relay.epoch.monotonic + int64(40*time.Millisecond)) >> 10),
	}
	if d := cmp.Diff([]relay.RTP{want}, s.relay.Counters(id).RTP); d != "" {
		t.Errorf("want(-) got(+):\n%s", d)
	}
	s.relay.SetClock(id, 48000)
	if r := s.relay.Counters(id).RTP[0]; r.Jitter != 0 {
		t.Errorf("after the clock was set: %+v", r)
	}
}

// RTCP on RTP's port, where the other end has it on another, is the handler's.
// ME-02
func TestSplitRTCP(t *testing.T) {
	const rtcp, media = "\x80\xc9\x00\x01\x00\x00\x00\x07", "\x80\x08\x00\x01\x00\x00\x00\x07\x00\x00\x00\x01"
	for _, split := range []bool{false, true} {
		s := newSite(t, loopback4, loopback4)
		f := s.up()
		f.Key, f.Out = relay.Key{Local: s.out.Local(), Remote: s.peer.addr}, relay.Out{Src: s.listen.Local(), Dst: s.client.addr}
		f.SplitRTCP = split
		s.install(f)
		s.peer.send(s.out.Local(), media)
		s.peer.send(s.out.Local(), rtcp)
		s.turn()
		s.client.receive(s.listen.Local(), media)
		if split {
			s.wasHeard(rtcp)
			s.left(bpf.ReasonControl, 1)
		} else {
			s.client.receive(s.listen.Local(), rtcp)
			s.wasHeard()
		}
	}
}
