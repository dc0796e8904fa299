package main

import (
	"sync"

	"turnpike.dev/turnpike/control/eventlog"
)

// unsent counts the records that syslog servers did not take. A server that is taken out
// of the configuration takes its count along, a counter must not fall.
type unsent struct {
	mu   sync.Mutex
	last map[string]uint64
	sum  uint64
}

// add adds what was lost since it was last asked.
func (u *unsent) add(servers []eventlog.ServerStatus) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := map[string]uint64{}
	for _, s := range servers {
		key := string(s.Transport) + " " + s.Address
		u.sum += s.Lost - min(u.last[key], s.Lost)
		now[key] = s.Lost
	}
	u.last = now
	return u.sum
}
