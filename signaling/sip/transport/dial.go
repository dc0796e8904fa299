package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
)

// What waits for a connection.
const (
	maxQueues  = 1000 // connections being opened
	maxWaiting = 64   // messages for one of them
)

// queueKey is a connection that is being opened.
type queueKey struct {
	transport loop.Transport
	remote    netip.AddrPort
	local     netip.Addr
	name      string
	key       [sha256.Size]byte
}

// queue is what is sent when it is open.
type queue struct{ waiting []waiting }

type waiting struct {
	data   []byte
	failed func(error)
}

// stream sends over a connection to the hop: one that is there, or a new one. limit is the
// time to open it in, 0 for the loop's.
func (t *Transport) stream(h Hop, data []byte, limit time.Duration, failed func(error)) {
	if !h.Local.IsValid() { // what the Via says
		if at, err := t.Local(h); err == nil {
			h.Local = at.Addr()
		}
	}
	if c := t.find(h); c != nil {
		if err := c.Send(data); err == nil {
			t.sent(h.Transport)
			t.idle.use(c)
			return
		}
	}
	if err := t.enqueue(h, data, limit, failed); err != nil {
		failed(err)
	}
}

// find returns an open connection of ours from the right address and to the right name: a
// connection is no better than what it was verified for.
func (t *Transport) find(h Hop) *loop.Conn {
	c := t.loop.Find(h.Transport, h.Remote, h.Name)
	if c == nil || h.Local.IsValid() && c.Local().Addr() != h.Local {
		return nil
	}
	if h.Transport == loop.TLS { // the peer's key may be another one by now
		if key := t.wanted(h.Remote, h.Key); key != anybody && key != c.Key() {
			return nil
		}
	}
	return c
}

func (t *Transport) enqueue(h Hop, data []byte, limit time.Duration, failed func(error)) error {
	key := queueKey{h.Transport, h.Remote, h.Local, h.Name, h.Key}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx == nil || t.ended {
		return ErrEnded
	}
	q := t.queues[key]
	switch {
	case q == nil && len(t.queues) >= maxQueues, q != nil && len(q.waiting) >= maxWaiting:
		return ErrBusy
	case q == nil:
		q = &queue{}
		t.queues[key] = q
		ctx := t.ctx
		t.dials.Go(func() { t.open(ctx, key, limit) })
	case len(q.waiting) > 0 && bytes.Equal(q.waiting[len(q.waiting)-1].data, data):
		return nil // retransmitted by a transaction over UDP: once is enough, and told once
	}
	q.waiting = append(q.waiting, waiting{bytes.Clone(data), failed})
	return nil
}

// open opens a connection, and sends what waits for it.
func (t *Transport) open(ctx context.Context, key queueKey, limit time.Duration) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	to := loop.Target{Remote: key.remote, Local: key.local}
	if key.transport == loop.TLS {
		to.TLS = t.clientTLS(key)
	}
	c, err := t.loop.Dial(ctx, to)
	if err == nil {
		t.idle.keep(c)
	} else {
		t.stats.dialFailed.Add(1)
	}
	for {
		all := t.takeQueue(key)
		if len(all) == 0 {
			return
		}
		for _, w := range all {
			sendErr := err
			if err == nil {
				sendErr = c.Send(w.data)
			}
			if sendErr != nil {
				w.failed(fmt.Errorf("send over a new connection: %w", sendErr))
				continue
			}
			t.sent(key.transport)
		}
	}
}

// takeQueue takes what waits. When there is nothing more the connection is no longer one
// that is being opened.
func (t *Transport) takeQueue(key queueKey) []waiting {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queues[key]
	all := q.waiting
	q.waiting = nil
	if len(all) == 0 {
		delete(t.queues, key)
	}
	return all
}
