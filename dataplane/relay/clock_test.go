package relay

import "testing"

// ticks is a time in the unit of RTP.Arrival.
func ticks(ms float64) uint32 { return uint32(ms * 1e6 / 1024) }

// ME-05
func TestClockRate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		units uint32  // of the RTP clock
		ms    float64 // in which they went by
		want  uint32
	}{
		{"narrow band", 16000, 2000, 8000},
		{"wide band", 32000, 2000, 16000},
		{"Opus", 5 * 48000, 5000, 48000},
		{"CD", 2 * 44100, 2000, 44100},
		{"video", 180000, 2000, 90000},
		{"4 % off", 16640, 2000, 8000},
		{"between two", 24000, 2000, 0},
		{"silence", 0, 2000, 0},
		{"too short to say", 4000, 500, 0},
	} {
		a := RTP{SSRC: 1, Timestamp: 1<<32 - 100, Arrival: 1<<32 - 50}
		b := RTP{SSRC: 1, Timestamp: a.Timestamp + tt.units, Arrival: a.Arrival + ticks(tt.ms)}
		if got := rate(a, b); got != tt.want {
			t.Errorf("%s: %d Hz, want %d", tt.name, got, tt.want)
		}
		b.SSRC = 2
		if got := rate(a, b); got != 0 {
			t.Errorf("%s: %d Hz from two sources", tt.name, got)
		}
	}
}

// The clock is estimated where nobody said it, and both back ends measure by it.
// ME-05
func TestClockIsEstimated(t *testing.T) {
	e := newTable()
	a, b, pairA, pairB := e.hairpin(t)
	clocks := newClocks()
	up := e.kernel.with(pairA.Flows[Up].Key)
	for i := range uint32(3) {
		up.counters.RTP = []RTP{{
			SSRC: 1, First: 1, Last: 1 + 100*i, Received: uint64(1 + 100*i), Jitter: 16 * 80,
			Timestamp: 160 * 100 * i, Arrival: ticks(2000 * float64(i)),
		}}
		e.estimateClocks(clocks)
	}
	if up.ClockHz != 8000 || e.process.with(pairA.Flows[Up].Key).ClockHz != 8000 {
		t.Errorf("kernel %d Hz, process %d Hz", up.ClockHz, e.process.with(pairA.Flows[Up].Key).ClockHz)
	}
	for id, d := range map[ID]Direction{a: Up, b: Down} { // one stream
		info, err := e.Stats(id)
		if err != nil {
			t.Fatal(err)
		}
		if r := info.Stats[d].RTP; len(r) != 1 || r[0].JitterMs != 10 {
			t.Errorf("pair %d: %+v", id, r)
		}
	}
	_ = pairB
}
