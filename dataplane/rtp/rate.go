package rtp

import (
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

const (
	// measureEvery is how often what calls send is measured.
	measureEvery = 2 * time.Second
	// A call is over its grant when it was policed in so many measurements one after the
	// other, and no more when it was not in so many.
	overAfter  = 2
	underAfter = 5
)

// rate is what a call's ends send, from one measurement to the next.
type rate struct {
	at      time.Time           // of the last one; zero: none
	bytes   [2]uint64           // by leg, up to then
	buckets [2]relay.GroupStats // of the call's own buckets, as they were last read
	policed [2]uint64           // bytes that those refused since the last measurement
	kbps    [2]uint32           // between the last two
	streak  int                 // measurements with something policed (above 0) or without (below) in a row
	over    bool
}

// Rate returns what each end sends, in kbps of payload, RTP headers aside and RTCP left
// out, as it was last measured: every two seconds. Zero at first.
func (c *Call) Rate() (a, b uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate.kbps[LegA], c.rate.kbps[LegB]
}

// measure measures what the ends send when it is time to. It tells, once for each time
// that the call goes over its grant, that it does, and by how many kbps.
func (c *Call) measure(now time.Time) (policedKbps uint32, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.rate
	took := now.Sub(r.at)
	if c.released || took < measureEvery {
		return 0, false
	}
	c.readBuckets()
	sent := c.sent()
	if !r.at.IsZero() {
		for l := range sent {
			r.kbps[l] = kbps(sent[l]-min(sent[l], r.bytes[l]), took)
			policedKbps = max(policedKbps, kbps(r.policed[l], took))
		}
		over = r.judge(policedKbps > 0)
	}
	if over {
		c.media.counts.over.Add(1)
	}
	r.at, r.bytes, r.policed = now, sent, [2]uint64{}
	return policedKbps, over
}

// judge takes in whether something was policed, and tells whether the call has just gone
// over its grant.
func (r *rate) judge(policed bool) bool {
	switch {
	case policed:
		r.streak = max(r.streak, 0) + 1
	default:
		r.streak = min(r.streak, 0) - 1
	}
	switch {
	case !r.over && r.streak >= overAfter:
		r.over = true
		return true
	case r.streak <= -underAfter:
		r.over = false
	}
	return false
}

func kbps(bytes uint64, in time.Duration) uint32 {
	return uint32(min(bytes*8/uint64(max(in.Milliseconds(), 1)), 1<<32-1))
}

// sent is how much payload came from each end so far.
func (c *Call) sent() (bytes [2]uint64) {
	for _, s := range c.streams {
		if s == nil {
			continue
		}
		var flows [2]relay.FlowStats
		p := &s.pairs[laneRTP]
		if p.installed {
			if info, err := c.media.cfg.Table.Stats(p.id); err == nil {
				flows = info.Stats
			}
		}
		for l := range bytes {
			hand, past := &s.legs[l].hand[laneRTP], &p.past[l]
			packets := flows[l].Packets + hand.packets + past.Packets
			all := flows[l].Bytes + hand.bytes + past.Bytes
			bytes[l] += all - min(all, rtpHeader*packets)
		}
	}
	return bytes
}

// readBuckets takes in what the call's own buckets refused since they were last read.
func (c *Call) readBuckets() {
	for l, g := range c.grant.own {
		if g == 0 {
			continue
		}
		was, is := &c.rate.buckets[l], c.media.cfg.Policer.GroupStats(g)
		c.media.counts.policed.Add(is.Policed - min(is.Policed, was.Policed))
		c.rate.policed[l] += is.PolicedBytes - min(is.PolicedBytes, was.PolicedBytes)
		*was = is
	}
}
