package transport

import (
	"context"
	"sync"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
)

const (
	// unusedFor is how long a connection that we opened stays without anything sent: requests
	// of a dialog come back over it, and a handshake for each call is dear. A session that is
	// refreshed every 15 minutes (half of the usual 1800 s of RFC 4028) keeps it.
	unusedFor   = 20 * time.Minute
	unusedEvery = 30 * time.Second
)

// idle knows the connections that we opened, which the loop would close as idle.
type idle struct {
	mu   sync.Mutex
	used map[*loop.Conn]time.Time
}

func (i *idle) keep(c *loop.Conn) {
	c.Keep(true)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.used == nil {
		i.used = make(map[*loop.Conn]time.Time)
	}
	if c.Why() == nil {
		i.used[c] = time.Now()
	}
}

func (i *idle) use(c *loop.Conn) {
	if !c.Dialled() {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := i.used[c]; ok {
		i.used[c] = time.Now()
	}
}

func (i *idle) closed(c *loop.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.used, c)
}

// unused takes out those that nothing was sent over since before.
func (i *idle) unused(before time.Time) []*loop.Conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []*loop.Conn
	for c, at := range i.used {
		if at.Before(before) {
			all = append(all, c)
			delete(i.used, c)
		}
	}
	return all
}

// closeUnused lets the loop have back connections that nobody uses any more: it closes
// those that are idle. Somebody who has said that he needs one is not heard here, so they
// are those only that nothing was sent over for long.
func (t *Transport) closeUnused(ctx context.Context) {
	tick := time.NewTicker(unusedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range t.idle.unused(now.Add(-unusedFor)) {
				c.Keep(false)
			}
		}
	}
}
