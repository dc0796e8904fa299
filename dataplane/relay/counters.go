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

// Carried is how much a flow relayed and dropped, without what RTP says about it.
type Carried struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Policed uint64 `json:"policed"`
}

// Carried returns the sums.
func (c Counters) Carried() Carried { return Carried{c.Packets, c.Bytes, c.Policed} }

// Add puts in what others carried.
func (c *Carried) Add(d Carried) {
	c.Packets += d.Packets
	c.Bytes += d.Bytes
	c.Policed += d.Policed
}

// Sub takes out what d counts and c has too; it never falls below zero.
func (c Carried) Sub(d Carried) Carried {
	return Carried{c.Packets - min(c.Packets, d.Packets), c.Bytes - min(c.Bytes, d.Bytes), c.Policed - min(c.Policed, d.Policed)}
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
	// LostBefore is what was lost before the sender last began a new sequence; below
	// zero, so to say, with duplicates.
	LostBefore uint64 `json:"-"`
	// Jitter is in RTP units, times 16.
	Jitter uint32 `json:"-"`
	// Timestamp and Arrival (CLOCK_MONOTONIC in 1024 ns, wrapping) are of the last packet.
	Timestamp uint32 `json:"-"`
	Arrival   uint32 `json:"-"`
	// Seen is when the one who counted last saw a packet of the flow.
	Seen time.Time `json:"-"`
}

// Add puts in what another CPU or the other back end counted of the same flow. Of RTP
// the parts lie side by side until Finish.
func (c *Counters) Add(d Counters) {
	c.Packets += d.Packets
	c.Bytes += d.Bytes
	c.Policed += d.Policed
	if d.LastSeen.After(c.LastSeen) {
		c.LastSeen = d.LastSeen
	}
	for _, r := range d.RTP {
		if r.Seen.IsZero() {
			r.Seen = d.LastSeen
		}
		c.RTP = append(c.RTP, r)
	}
}

// Finish puts together what was added of each source, and works out what is expected,
// lost and the jitter, with the flow's RTP clock.
func (c *Counters) Finish(clockHz uint32) {
	c.RTP = join(c.RTP)
	for i := range c.RTP {
		r := &c.RTP[i]
		r.Expected = r.running() + r.LostBefore
		r.Lost = int64(r.Expected - r.Received)
		r.ClockHz = clockHz
		if clockHz != 0 {
			r.JitterMs = float64(r.Jitter) / 16 / float64(clockHz) * 1000
		}
	}
}
