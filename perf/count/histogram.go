package count

import "time"

// buckets is how many the program has: 16 for each power of two of nanoseconds, so
// that a value is known to 1/16.
const buckets = 640

// Histogram is a distribution of latencies.
type Histogram struct {
	counts [buckets]uint64
}

// Count is the number of packets in the histogram.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Add adds another distribution.
func (h *Histogram) Add(other Histogram) {
	for i, c := range other.counts {
		h.counts[i] += c
	}
}

// Quantile returns the latency that a share q (0 to 1) of the packets did not
// exceed. It is 0 when there are no packets.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(total)), total-1)
	var seen uint64
	for i, c := range h.counts {
		seen += c
		if seen > rank {
			return upper(i)
		}
	}
	return upper(buckets - 1)
}

// upper is the largest latency that falls into a bucket.
func upper(bucket int) time.Duration {
	if bucket < 32 { // exact up to here
		return time.Duration(bucket)
	}
	shift := bucket/16 - 1
	return time.Duration((16+bucket%16+1)<<shift - 1)
}
