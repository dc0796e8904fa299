package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// quietRate is how many bytes a node allocates in a second that has little to do.
	quietRate = 1 << 20
	// burst is how many bytes are worth a collection.
	burst = 8 << 20
	// memoryOfBurst is how long what came with a burst is kept: the transactions of SIP for
	// 32 s (RFC 3261 section 17.2.2).
	memoryOfBurst = 33 * time.Second
)

// giving is when a node gives memory back.
type giving struct {
	seen  uint64 // bytes allocated since the start, at the last look
	given uint64 // and when memory was last given back
	at    time.Time
	again bool // something of that burst was still needed
}

// due tells whether memory is to be given back: there is little to do, and there was much,
// or what that left is over by now.
func (g *giving) due(now time.Time, allocated uint64) bool {
	quiet := allocated-g.seen < quietRate
	g.seen = allocated
	much := allocated-g.given >= burst
	if !quiet || !much && (!g.again || now.Sub(g.at) < memoryOfBurst) {
		return false
	}
	g.given, g.at, g.again = allocated, now, much
	return true
}

// giveBack gives the system what a burst, or the start, left on the heap: by itself the
// runtime keeps up to three times what was in use, for minutes.
func giveBack(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var g giving
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			metrics.Read(allocated)
			if g.due(now, allocated[0].Value.Uint64()) {
				debug.FreeOSMemory()
			}
		}
	}
}
