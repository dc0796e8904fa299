package relay

// clockRates are the RTP clocks in use (RFC 3551 and the payload formats after it).
var clockRates = [...]uint32{8000, 16000, 24000, 32000, 44100, 48000, 90000}

// clocks estimates the RTP clock of streams whose signalling it did not see, as with
// TURN: how far the timestamps of a source went in the time between two looks.
type clocks struct {
	seen map[*half]RTP
}

func newClocks() *clocks { return &clocks{seen: map[*half]RTP{}} }

// minSpan is the least time between two packets that says enough, in 1024 ns.
const minSpan = 1_000_000

// rate returns the clock that two packets of a source speak for, or 0.
func rate(a, b RTP) uint32 {
	span := b.Arrival - a.Arrival
	if a.SSRC != b.SSRC || span < minSpan || int32(span) < 0 {
		return 0
	}
	hz := float64(b.Timestamp-a.Timestamp) / (float64(span) * 1024e-9)
	for _, known := range clockRates {
		const tolerance = 0.05
		if hz > float64(known)*(1-tolerance) && hz < float64(known)*(1+tolerance) {
			return known
		}
	}
	return 0
}

func (e *Engine) estimateClocks(c *clocks) {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make(map[*half]RTP)
	for _, en := range e.pairs {
		for _, h := range en.halfs {
			e.estimateClock(c, h, seen)
		}
	}
	c.seen = seen
}

func (e *Engine) estimateClock(c *clocks, h *half, seen map[*half]RTP) {
	if h.flow().ClockHz != 0 {
		return
	}
	counters, _ := e.counters(h)
	if len(counters.RTP) == 0 {
		return
	}
	now := counters.RTP[0]
	if hz := rate(c.seen[h], now); hz != 0 {
		h.flow().ClockHz = hz
		e.process.SetClock(h.process, hz)
		if h.inKernel {
			e.kernel.SetClock(h.kernel, hz)
		}
		return
	}
	seen[h] = now
}
