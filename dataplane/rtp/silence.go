package rtp

import "time"

// silence is the media time-out of a call.
type silence struct {
	next time.Time // when to look again; zero: nothing to look for
	told bool
}

// restart gives the call its whole time again: signalling is a sign of life.
func (s *silence) restart(now time.Time, timeout time.Duration) {
	s.next = time.Time{}
	if timeout > 0 {
		s.next = now.Add(timeout)
	}
}

// look compares the call's latches with what its flows carried, closes windows, and
// tells whether the call's media has stopped, once.
func (c *Call) look(now time.Time) (silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return false
	}
	for _, s := range c.streams {
		if s != nil && !s.look.IsZero() && !now.Before(s.look) {
			s.lookAtLatches(now)
		}
	}
	return c.isSilent(now)
}

func (c *Call) isSilent(now time.Time) bool {
	if c.silence.told || c.silence.next.IsZero() || now.Before(c.silence.next) {
		return false
	}
	last, expected := c.lastSign()
	if !expected {
		c.silence.next = time.Time{} // until signalling says more
		return false
	}
	c.silence.next = last.Add(c.media.cfg.Timeout)
	c.silence.told = !now.Before(c.silence.next)
	return c.silence.told
}

// lastSign is when a stream that is not on hold last had media or signalling. A stream
// that never had media counts while none had: it may be one that nobody uses yet. RTCP
// is a sign of life too.
func (c *Call) lastSign() (last time.Time, expected bool) {
	var unused time.Time
	heard, held := false, false
	for _, s := range c.streams {
		if s == nil || !s.complete() {
			continue
		}
		seen, signalled := s.lastSeen(), later(s.legs[LegA].at, s.legs[LegB].at)
		heard = heard || !seen.IsZero()
		switch {
		case s.held():
			held = true
		case seen.IsZero():
			unused = later(unused, signalled)
		default:
			last, expected = later(last, later(seen, signalled)), true
		}
	}
	if !expected && !heard && !held {
		return unused, !unused.IsZero()
	}
	return last, expected
}

func (s *stream) lastSeen() (last time.Time) {
	for n := range lanes {
		for l := range s.legs {
			last = later(last, s.carried(Leg(l), n).LastSeen)
		}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// maxPause is the longest time between two looks at a stream's latches. It may be long:
// a look only closes gates sooner than the first packet of somebody else would have the
// latch looked at.
const maxPause = 8 * time.Second

func (s *stream) lookAtLatches(now time.Time) {
	waiting := false
	for l := range s.legs {
		leg := &s.legs[l]
		if !leg.known || leg.muted || leg.port == 0 {
			continue
		}
		for n := range lanes {
			if n == laneRTCP && s.muxed() {
				continue
			}
			t := &leg.latch[n]
			if t.since.IsZero() {
				t.heard(s.flowed(Leg(l), n))
			}
			waiting = waiting || t.open(now)
		}
		_ = s.syncGates(Leg(l), now) // tried again at the next signalling
	}
	s.pause = min(max(2*s.pause, lookEvery), maxPause)
	s.look = now.Add(s.pause)
	if !waiting {
		s.look = time.Time{}
	}
}
