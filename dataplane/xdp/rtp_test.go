package xdp

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// rtpPayload is an RTP packet.
func rtpPayload(ssrc uint32, seq uint16, timestamp uint32, media int) []byte {
	p := make([]byte, 12+media)
	p[0], p[1] = 0x80, 96
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], timestamp)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return p
}

// onOneCPU has everything that the test runs counted by one CPU.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	})
}

// modelSource counts a source as RFC 3550 A.1 does, in numbers that do not wrap.
type modelSource struct {
	ssrc      uint32
	base, max int64
	received  int64
	lost      int64 // before the sequence that runs
	jump      int64 // sequence number of the last packet that jumped; -1: none
}

func (s *modelSource) see(seq uint16) {
	ahead := int64(seq - uint16(s.max))
	switch {
	case ahead < 3000:
		s.max += ahead
		s.received++
		s.jump = -1
	case ahead > 65536-100: // late
		s.received++
	case s.jump >= 0 && seq == uint16(s.jump+1):
		s.lost += s.max - s.base + 1 - s.received
		s.base, s.max, s.received, s.jump = int64(seq), int64(seq), 1, -1
	default:
		s.jump = int64(seq)
	}
}

func (s *modelSource) rtp() relay.RTP {
	running := s.max - s.base + 1
	return relay.RTP{
		SSRC: s.ssrc, Received: uint64(s.received),
		Expected: uint64(running + s.lost), Lost: running + s.lost - s.received,
	}
}

// model counts a flow by brute force.
type model struct {
	packets, bytes uint64
	sources        []*modelSource
}

func (m *model) see(payload []byte) {
	m.packets++
	m.bytes += uint64(len(payload))
	if len(payload) < 12 || payload[0]>>6 != 2 {
		return
	}
	if kind := payload[1] & 0x7f; kind >= 64 && kind < 96 {
		return // RTCP (RFC 5761 section 4)
	}
	seq, ssrc := binary.BigEndian.Uint16(payload[2:]), binary.BigEndian.Uint32(payload[8:])
	for _, s := range m.sources {
		if s.ssrc == ssrc {
			s.see(seq)
			return
		}
	}
	if len(m.sources) < 3 {
		m.sources = append(m.sources, &modelSource{ssrc: ssrc, base: int64(seq), max: int64(seq), received: 1, jump: -1})
	}
}

// draw makes a stream's next packet.
func (m *model) draw(t *rapid.T) []byte {
	ssrc := rapid.SampledFrom([]uint32{0, 1, 2, 0xdecafbad}).Draw(t, "ssrc")
	last := uint16(rapid.SampledFrom([]int{0, 100, 65500}).Draw(t, "start"))
	for _, s := range m.sources {
		if s.ssrc == ssrc {
			last = uint16(s.max)
			if s.jump >= 0 && rapid.Bool().Draw(t, "follow the jump") {
				last = uint16(s.jump)
			}
		}
	}
	step := rapid.OneOf(
		rapid.Just(1), rapid.IntRange(0, 3), rapid.IntRange(-110, 0), // in order, lost, late
		rapid.IntRange(2990, 3010), rapid.IntRange(0, 65535), // a jump
	).Draw(t, "step")
	p := rtpPayload(ssrc, last+uint16(step), rapid.Uint32().Draw(t, "timestamp"), rapid.IntRange(0, 5).Draw(t, "media"))
	switch rapid.IntRange(0, 19).Draw(t, "kind") {
	case 0: // RTCP, and the numbers beside it
		p[1] = rapid.SampledFrom([]byte{63, 64, 72, 95, 96, 191, 192, 200, 223, 224}).Draw(t, "type")
	case 1: // another version
		p[0] = rapid.SampledFrom([]byte{0x00, 0x41, 0xc0}).Draw(t, "flags")
	case 2:
		p = p[:rapid.IntRange(0, 11).Draw(t, "length")]
	case 3:
		p[0] |= rapid.Byte().Draw(t, "flags") & 0x3f
	}
	return p
}

// ME-05: packets, bytes and what RTP says of losses, by brute force: loss, reordering,
// duplicates, wraps, restarts, several sources, RTCP among them.
func TestCountersAreRFC3550(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	onOneCPU(t)
	r := newRig(t, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.SampledFrom([]relay.Flow{up(4, 4), up(6, 4), down(4, 6)}).Draw(rt, "flow")
		id := r.mustInstall(t, f)
		defer r.Remove(id)
		var m model
		for range rapid.IntRange(1, 150).Draw(rt, "packets") {
			payload := m.draw(rt)
			if verdict, _ := r.run(t, r.in(f.Key.Local), packet(f, payload).frame(t)); verdict != xdpRedirect {
				rt.Fatalf("verdict %d", verdict)
			}
			m.see(payload)
		}
		m.compare(rt, r.Counters(id))
	})
}

func (m *model) compare(t *rapid.T, got relay.Counters) {
	got.Finish(0)
	if got.Packets != m.packets || got.Bytes != m.bytes || got.Policed != 0 {
		t.Errorf("%d packets, %d bytes, %d policed, want %d, %d, 0", got.Packets, got.Bytes, got.Policed, m.packets, m.bytes)
	}
	if ago := time.Since(got.LastSeen); ago < -time.Second || ago > time.Second {
		t.Errorf("last seen %v ago", ago)
	}
	var want, is []relay.RTP
	for _, s := range m.sources {
		want = append(want, s.rtp())
	}
	for _, s := range got.RTP {
		is = append(is, relay.RTP{SSRC: s.SSRC, Received: s.Received, Expected: s.Expected, Lost: s.Lost})
	}
	bySSRC := func(a, b relay.RTP) int { return int(int64(a.SSRC) - int64(b.SSRC)) }
	slices.SortFunc(want, bySSRC)
	slices.SortFunc(is, bySSRC)
	if diff := cmp.Diff(want, is); diff != "" {
		t.Errorf("RTP (-want +got):\n%s", diff)
	}
}

// Jitter is that of RFC 3550 A.8, by the times at which the program saw the packets
// that it timed.
// ME-05
func TestJitter(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	onOneCPU(t)
	r := newRig(t, Config{})
	for _, hz := range []uint32{8000, 48000, 90000} {
		f := up(4, 4)
		f.ClockHz = hz
		id := r.mustInstall(t, f)
		var jitter float64
		var last relay.RTP
		timestamp, measured := uint32(math.MaxUint32-5000), 0
		for i := range 64 * 40 {
			timestamp += uint32(i*i) % (hz / 50)
			r.run(t, r.s0, packet(f, rtpPayload(7, uint16(65000+i), timestamp, 10)).frame(t))
			now := r.Counters(id).RTP[0]
			if now.Arrival == last.Arrival {
				continue // not timed
			}
			if now.Jitter != last.Jitter {
				d := float64(now.Arrival-last.Arrival)*1024e-9*float64(hz) - float64(int32(now.Timestamp-last.Timestamp))
				jitter += (math.Abs(d) - jitter) / 16
				measured++
			}
			if got := float64(now.Jitter) / 16; math.Abs(got-jitter) > 2 {
				t.Fatalf("%d Hz, packet %d: jitter %.2f, want %.2f", hz, i, got, jitter)
			}
			if now.Timestamp != timestamp {
				t.Fatalf("packet %d has timestamp %d, want %d", i, now.Timestamp, timestamp)
			}
			last = now
		}
		if measured < 35 {
			t.Errorf("%d Hz: jitter was measured %d times", hz, measured)
		}
		r.Remove(id)
	}
}

// Without a clock there is no jitter; with one it begins, and only then.
// ME-05
func TestClockIsSet(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	onOneCPU(t)
	r := newRig(t, Config{})
	f := up(4, 4)
	id := r.mustInstall(t, f)
	send := func(from, to uint16) uint32 {
		for seq := from; seq != to; seq++ {
			r.run(t, r.s0, packet(f, rtpPayload(7, seq, uint32(seq)*160, 10)).frame(t))
		}
		return r.Counters(id).RTP[0].Jitter
	}
	if j := send(0, 200); j != 0 {
		t.Errorf("jitter without a clock: %d", j)
	}
	r.SetClock(id, 8000)
	if j := send(200, 400); j == 0 {
		t.Error("no jitter with a clock")
	}
	if err := r.Replace(id, f, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	before := r.Counters(id).RTP[0].Jitter
	if j := send(400, 600); j != before {
		t.Errorf("jitter without a clock again: %d, was %d", j, before)
	}
}
