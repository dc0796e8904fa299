package relay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Several CPUs and back ends see parts of one sequence at the same time: put together,
// their counts are those of one who saw it all.
// ME-05
func TestCountersAddParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint32Range(0, cycle-1).Draw(t, "first sequence number")
		base := seq
		watchers := make([]*RTP, rapid.IntRange(1, 3).Draw(t, "watchers"))
		n := rapid.IntRange(1, 400).Draw(t, "packets")
		for i := range n {
			if i > 0 {
				seq += rapid.Uint32Range(1, 80).Draw(t, "step")
			}
			w := rapid.IntRange(0, len(watchers)-1).Draw(t, "watcher")
			watchers[w] = watchers[w].see(seq, uint32(i))
		}
		r := joinedOf(watchers)
		want := uint64(seq-base) + 1
		if r.Expected != want || r.Received != uint64(n) || r.Lost != int64(want)-int64(n) || r.Arrival != uint32(n-1) {
			t.Fatalf("got %+v, want %d expected, %d received", r, want, n)
		}
	})
}

// A stream goes from one CPU to another now and then. Whatever was lost is lost, and
// nothing else.
// ME-05
func TestCountersAddHandedOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint32Range(0, cycle-1).Draw(t, "first sequence number")
		arrival := rapid.Uint32().Draw(t, "time")
		n := rapid.IntRange(1, 5).Draw(t, "watchers")
		var c Counters
		lost, last, now := int64(0), arrival, time.Now()
		for i := range n {
			w := RTP{SSRC: 1, First: seq & (cycle - 1)}
			packets := rapid.Uint32Range(1, 200_000).Draw(t, "packets")
			w.Last = w.First + packets - 1
			missed := rapid.Uint32Range(0, packets/2).Draw(t, "lost")
			w.Received = uint64(packets - missed)
			lost += int64(missed)
			last = arrival + packets*20_000
			now = now.Add(time.Duration(packets) * 20 * time.Millisecond)
			w.Arrival = last
			c.Add(Counters{LastSeen: now, RTP: []RTP{w}})
			gap := rapid.Uint32Range(0, maxDropout-1).Draw(t, "lost on the way")
			arrival = last + 2*atOnce
			if i < n-1 {
				lost += int64(gap)
			}
			seq += packets + gap
		}
		c.Finish(8000)
		if r := c.RTP[0]; r.Lost != lost || r.Arrival != last {
			t.Fatalf("got %+v, want %d lost", r, lost)
		}
	})
}

func joinedOf(watchers []*RTP) RTP {
	var c Counters
	for _, w := range watchers {
		if w != nil {
			c.Add(Counters{RTP: []RTP{*w}})
		}
	}
	c.Finish(8000)
	return c.RTP[0]
}

// see counts a packet as a watcher does who knows 16 bits of the sequence number.
func (r *RTP) see(seq, arrival uint32) *RTP {
	low := seq & (cycle - 1)
	if r == nil {
		return &RTP{SSRC: 1, First: low, Last: low, Received: 1, Arrival: arrival}
	}
	last := r.Last&^(cycle-1) | low
	if last < r.Last {
		last += cycle
	}
	r.Last, r.Arrival = last, arrival
	r.Received++
	return r
}

// ME-05
func TestCountersAdd(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name       string
		a, b, want Counters
	}{
		{
			"sums and the later time",
			Counters{Packets: 1, Bytes: 10, Policed: 2, LastSeen: now},
			Counters{Packets: 2, Bytes: 20, Policed: 3, LastSeen: now.Add(1)},
			Counters{Packets: 3, Bytes: 30, Policed: 5, LastSeen: now.Add(1)},
		},
		{
			"sources side by side",
			Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 2, Received: 2}}},
			Counters{RTP: []RTP{{SSRC: 2, First: 5, Last: 7, Received: 2}}},
			Counters{RTP: []RTP{
				{SSRC: 1, First: 1, Last: 2, Received: 2, Expected: 2},
				{SSRC: 2, First: 5, Last: 7, Received: 2, Expected: 3, Lost: 1},
			}},
		},
		{
			"the later jitter",
			Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 2, Received: 2, Arrival: 5, Jitter: 16}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 3, Last: 4, Received: 2, Arrival: 4, Jitter: 32}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 4, Received: 4, Arrival: 5, Jitter: 16, Expected: 4}}},
		},
		{
			"one missed a wrap",
			Counters{RTP: []RTP{{SSRC: 1, First: 65530, Last: 65546, Received: 10, Arrival: 1}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 4, Last: 9, Received: 6}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 65530, Last: 65546, Received: 16, Arrival: 1, Expected: 17, Lost: 1}}},
		},
		{
			"one saw an earlier sequence only",
			Counters{RTP: []RTP{{SSRC: 1, First: 100, Last: 109, Received: 8, Arrival: 1}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 30000, Last: 30009, Received: 10, Arrival: 9}}},
			Counters{RTP: []RTP{{SSRC: 1, First: 30000, Last: 30009, Received: 10, Arrival: 9, LostBefore: 2, Expected: 12, Lost: 2}}},
		},
		{
			"duplicates",
			Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 2, Received: 3, LostBefore: 1<<64 - 1}}},
			Counters{},
			Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 2, Received: 3, LostBefore: 1<<64 - 1, Expected: 1, Lost: -2}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range [][2]Counters{{tt.a, tt.b}, {tt.b, tt.a}} {
				var c Counters
				c.Add(order[0])
				c.Add(order[1])
				c.Finish(0)
				bySSRC := cmpopts.SortSlices(func(a, b RTP) bool { return a.SSRC < b.SSRC })
				if diff := cmp.Diff(tt.want, c, bySSRC, cmpopts.IgnoreFields(RTP{}, "Seen")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// ME-05
func TestCountersSince(t *testing.T) {
	before := Counters{Packets: 5, Bytes: 50, Policed: 1, RTP: []RTP{{SSRC: 1, First: 10, Last: 14, Received: 5}, {SSRC: 3, First: 1, Last: 1, Received: 1}}}
	after := Counters{Packets: 9, Bytes: 90, Policed: 2, RTP: []RTP{
		{SSRC: 1, First: 10, Last: 18, Received: 8},
		{SSRC: 2, First: 7, Last: 7, Received: 1},
		{SSRC: 3, First: 1, Last: 1, Received: 1},
	}}
	want := Counters{Packets: 4, Bytes: 40, RTP: []RTP{{SSRC: 1, First: 15, Last: 18, Received: 3}, {SSRC: 2, First: 7, Last: 7, Received: 1}}}
	if diff := cmp.Diff(want, after.since(before), cmpopts.IgnoreFields(RTP{}, "Seen")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if after.RTP[0].First != 10 {
		t.Error("the reading was changed")
	}
}

// ME-05
func TestJitterInMilliseconds(t *testing.T) {
	c := Counters{RTP: []RTP{{SSRC: 1, First: 1, Last: 1, Received: 1, Jitter: 16 * 80}}}
	c.Finish(8000)
	if got := c.RTP[0]; got.JitterMs != 10 || got.ClockHz != 8000 {
		t.Errorf("got %+v", got)
	}
}
