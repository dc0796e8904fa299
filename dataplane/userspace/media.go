package userspace

import (
	"time"

	"turnpike.dev/turnpike/dataplane/relay"
)

const maxSources = 3 // in a flow

// media is what a flow counts (ME-05).
type media struct {
	packets  uint64
	bytes    uint64
	policed  uint64
	lastSeen int64
	clockHz  uint32
	sources  []source // at most maxSources; allocated when a new one appears
}

func (m *media) count(bytes int, now int64) {
	m.packets++
	m.bytes += uint64(bytes)
	m.lastSeen = now
}

func (m *media) countRTP(h rtp, now int64) {
	idle := -1
	for i := range m.sources {
		s := &m.sources[i]
		if s.ssrc == h.ssrc {
			s.count(h, now, m.clockHz)
			return
		}
		if idle < 0 && now-s.arrival > sourceIdle {
			idle = i
		}
	}
	switch {
	case len(m.sources) < maxSources:
		m.sources = append(m.sources, source{})
		m.sources[len(m.sources)-1].start(h, now)
	case idle >= 0:
		m.sources[idle].start(h, now)
	}
}

// setClock sets the RTP clock. Jitter begins anew when it was measured with another.
func (m *media) setClock(hz uint32) {
	if hz == m.clockHz {
		return
	}
	m.clockHz = hz
	for i := range m.sources {
		m.sources[i].jitter = 0
	}
}

func (m *media) counters(e epoch) relay.Counters {
	c := relay.Counters{Packets: m.packets, Bytes: m.bytes, Policed: m.policed}
	if m.packets > 0 {
		c.LastSeen = e.start.Add(time.Duration(m.lastSeen))
	}
	for i := range m.sources {
		c.RTP = append(c.RTP, m.sources[i].report(e.monotonic))
	}
	return c
}
