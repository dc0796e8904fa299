package relay

import (
	"cmp"
	"slices"
	"time"
)

const (
	cycle = 1 << 16
	// maxDropout is how far apart two parts of one sequence can be (RFC 3550 A.1).
	maxDropout = 3000
)

// atOnce is how little older the last packet of a part is that is still being added to,
// in 1024 ns.
const atOnce = 1_000_000

// running is how many packets the sequence that runs has had.
func (r *RTP) running() uint64 { return uint64(r.Last-r.First) + 1 }

// part is what one CPU or back end saw of a source, with sequence numbers that those of
// the other parts can be compared with.
type part struct {
	RTP
	first, last int64
	runs        bool // has the newest packet
}

// join puts the parts of each source together that several CPUs and back ends saw.
func join(seen []RTP) []RTP {
	var joined []RTP
	for i, r := range seen {
		if slices.ContainsFunc(seen[:i], func(q RTP) bool { return q.SSRC == r.SSRC }) {
			continue
		}
		var parts []part
		for _, q := range seen[i:] {
			if q.SSRC == r.SSRC {
				parts = append(parts, part{RTP: q})
			}
		}
		joined = append(joined, joinSource(parts))
	}
	return joined
}

// joinSource joins the parts of one source. The newest belongs to the sequence that
// runs; parts that lie far from it are of sequences that the sender gave up.
func joinSource(parts []part) RTP {
	align(parts)
	whole := parts[0].RTP
	whole.LostBefore = 0
	for _, s := range sequences(parts) {
		whole.LostBefore += s.LostBefore
		s.First, s.Last = uint32(s.first), uint32(s.last)
		if s.runs {
			whole.First, whole.Last, whole.Received = s.First, s.Last, s.Received
		} else {
			whole.LostBefore += s.running() - s.Received
		}
	}
	return whole
}

// align lays the parts beside each other, the newest first. Each counts the wraps of
// the sequence number since it began: two that are being added to are now at about the
// same number, and one that was left was left for the next.
func align(parts []part) {
	slices.SortStableFunc(parts, func(a, b part) int { return b.newerThan(&a) })
	for i := range parts {
		p := &parts[i]
		p.first, p.last, p.runs = int64(p.First), int64(p.Last), i == 0
		if i == 0 {
			continue
		}
		newer := parts[i-1]
		at := newer.first
		if newer.newerThan(p) < atOnce {
			at = newer.last
		}
		shift := (at - p.last + cycle/2) &^ (cycle - 1)
		p.first, p.last = p.first+shift, p.last+shift
	}
}

// newerThan tells by how much the last packet of a part came after that of another, in
// 1024 ns. Arrival goes round in 73 minutes, and a flow can have been away from a CPU
// for longer.
func (p *part) newerThan(q *part) int {
	const doubtful = 30 * time.Minute
	if d := p.Seen.Sub(q.Seen); d.Abs() > doubtful {
		return int(d / 1024)
	}
	return int(int32(p.Arrival - q.Arrival))
}

// sequences puts together what overlaps or lies close to each other.
func sequences(parts []part) []part {
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.first, b.first) })
	var all []part
	for _, p := range parts {
		if len(all) == 0 || p.first > all[len(all)-1].last+maxDropout {
			all = append(all, p)
			continue
		}
		s := &all[len(all)-1]
		s.last = max(s.last, p.last)
		s.Received += p.Received
		s.LostBefore += p.LostBefore
		s.runs = s.runs || p.runs
	}
	return all
}

// since returns what was counted after an earlier reading. Policed stays out: it is no
// datagram that went on.
func (c Counters) since(before Counters) Counters {
	c.Packets -= before.Packets
	c.Bytes -= before.Bytes
	c.Policed = 0
	earlier := join(before.RTP)
	c.RTP = join(c.RTP)
	for i := range c.RTP {
		c.RTP[i].subtract(earlier)
	}
	c.RTP = slices.DeleteFunc(c.RTP, func(r RTP) bool { return r.Received == 0 })
	return c
}

// subtract leaves what r counted after an earlier reading.
func (r *RTP) subtract(earlier []RTP) {
	for _, e := range earlier {
		// Otherwise it is another sequence since.
		if e.SSRC == r.SSRC && e.First == r.First && e.Received <= r.Received {
			r.First = e.Last + 1
			r.Received -= e.Received
			r.LostBefore -= e.LostBefore
		}
	}
}
