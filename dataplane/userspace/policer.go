package userspace

import "time"

// policer is a token bucket as its virtual-scheduling twin, GCRA (ITU-T I.371): the
// one word full is when the bucket would be full again, in nanoseconds. The grant is
// payload without the headers of IP, UDP, ChannelData and RTP, and the bucket holds
// a second at least (BW-06).
type policer struct {
	kbps  int64
	depth int64 // nanoseconds
	full  int64
}

func (p *policer) grant(kbps uint32, depth time.Duration) {
	p.kbps = int64(kbps)
	p.depth = int64(max(depth, time.Second))
}

// conforms takes bytes from the bucket, or reports that there are too few.
func (p *policer) conforms(bytes int, now int64) bool {
	if p.kbps == 0 {
		return true
	}
	full := max(p.full, now) + p.cost(bytes)
	if full > now+p.depth {
		return false
	}
	p.full = full
	return true
}

func (p *policer) cost(bytes int) int64 { return int64(bytes) * 8 * int64(time.Millisecond) / p.kbps }

// giveBack undoes what conforms did for a datagram that conformed.
func (p *policer) giveBack(bytes int) {
	if p.kbps != 0 {
		p.full -= p.cost(bytes)
	}
}
