package relay

import "time"

// Counters are a flow's totals since it was added; after a restart of the process
// they go on where the kernel has them (ME-05).
type Counters struct {
	Packets  uint64    `json:"packets"`
	Bytes    uint64    `json:"bytes"` // UDP payload without ChannelData header
	Policed  uint64    `json:"policed"`
	LastSeen time.Time `json:"last_seen,omitzero"`
	RTP      []RTP     `json:"rtp,omitempty"` // by SSRC, at most 3
}

// RTP is what one synchronisation source sent (RFC 3550 A.3 and A.8). Expected, Lost,
// JitterMs and ClockHz are worked out from the rest by Counters.Finish.
type RTP struct {
	SSRC     uint32  `json:"ssrc"`
	Expected uint64  `json:"expected"`
	Received uint64  `json:"received"`
	Lost     int64   `json:"lost"`      // negative with duplicates
	JitterMs float64 `json:"jitter_ms"` // 0 while the clock is unknown
	ClockHz  uint32  `json:"clock_hz"`

	// First and Last are the extended sequence numbers of the sequence that runs.
	First uint32 `json:"-"`
	Last  uint32 `json:"-"`
	// LostBefore is what was lost before the sender last began a new sequence.
	LostBefore uint64 `json:"-"`
	// Jitter is in RTP units, times 16.
	Jitter uint32 `json:"-"`
	// Timestamp and Arrival (CLOCK_MONOTONIC in 1024 ns, wrapping) are of the last packet.
	Timestamp uint32 `json:"-"`
	Arrival   uint32 `json:"-"`
}

// Add puts in what another CPU or the other back end counted of the same flow. Each
// saw a part of the same sequences.
func (c *Counters) Add(d Counters) {
	c.Packets += d.Packets
	c.Bytes += d.Bytes
	c.Policed += d.Policed
	if d.LastSeen.After(c.LastSeen) {
		c.LastSeen = d.LastSeen
	}
	for _, r := range d.RTP {
		c.addRTP(r)
	}
}

func (c *Counters) addRTP(r RTP) {
	for i := range c.RTP {
		if c.RTP[i].SSRC == r.SSRC {
			c.RTP[i].merge(r)
			return
		}
	}
	c.RTP = append(c.RTP, r)
}

func (r *RTP) merge(q RTP) {
	// Who began to listen later may have missed wraps of the sequence number: the two
	// ranges are laid beside each other as near as they can be.
	const cycle = 1 << 16
	for int32(r.Last-q.Last) > cycle/2 {
		q.First, q.Last = q.First+cycle, q.Last+cycle
	}
	for int32(q.Last-r.Last) > cycle/2 {
		r.First, r.Last = r.First+cycle, r.Last+cycle
	}
	r.First = min(r.First, q.First)
	r.Last = max(r.Last, q.Last)
	r.Received += q.Received
	r.LostBefore += q.LostBefore
	if int32(q.Arrival-r.Arrival) > 0 {
		r.Arrival, r.Timestamp, r.Jitter = q.Arrival, q.Timestamp, q.Jitter
	}
}

// Finish works out what is expected, lost and the jitter, with the flow's RTP clock.
func (c *Counters) Finish(clockHz uint32) {
	for i := range c.RTP {
		r := &c.RTP[i]
		running := uint64(r.Last-r.First) + 1
		r.Expected = running + r.LostBefore
		r.Lost = int64(running) - int64(r.Received) + int64(r.LostBefore)
		r.ClockHz = clockHz
		if clockHz != 0 {
			r.JitterMs = float64(r.Jitter) / 16 / float64(clockHz) * 1000
		}
	}
}
