package mesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"turnpike.dev/turnpike/cluster/wire"
)

// Times between two tries to connect.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = time.Second
)

// pause grows from try to try, and is not the same for two nodes that wait for each other.
type pause struct{ next time.Duration }

func (p *pause) reset() { p.next = 0 }

// wait returns false when ctx ends. came ends a pause that has grown, and not the first: connections that end as soon as they
// stand would else be made without any.
func (p *pause) wait(ctx context.Context, wake, came <-chan struct{}) bool {
	p.next = min(max(2*p.next, firstPause), lastPause)
	if p.next == firstPause {
		came = nil
	}
	t := time.NewTimer(p.next*3/4 + rand.N(p.next/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-wake:
		p.reset()
	case <-came:
		p.reset()
	}
	return true
}

// sending keeps the connections that this node sends on, to one entry.
func (m *Mesh) sending(ctx context.Context, e *entry) {
	var p pause
	for {
		select {
		case <-e.came: // before this try
		default:
		}
		l, err := m.open(ctx, e, wire.Rows)
		switch {
		case err == nil:
			p.reset()
			m.sendRows(ctx, l)
		case ctx.Err() == nil:
			m.failed(e, err)
		}
		if !p.wait(ctx, e.wake, e.came) {
			return
		}
	}
}

// sendRows sends small messages while the connection stands, and beside it bulk.
func (m *Mesh) sendRows(ctx context.Context, l *line) {
	ctx, cancel := context.WithCancel(ctx)
	bulk := make(chan struct{})
	go func() {
		defer close(bulk)
		m.sendBulk(ctx, l.entry)
	}()
	l.entry.rows.begin()
	if m.hellos.Load() != l.hello {
		l.entry.rows.greet() // the one that the connection was opened with is out of date: that took round trips
	}
	m.connected(l)
	err := m.drain(ctx, l, l.entry.rows)
	l.entry.rows.end()
	m.remove(l)
	m.closed(l, err)
	cancel()
	<-bulk
}

func (m *Mesh) sendBulk(ctx context.Context, e *entry) {
	var p pause
	for {
		if l, err := m.open(ctx, e, wire.Bulk); err == nil {
			p.reset()
			e.bulk.begin()
			_ = m.drain(ctx, l, e.bulk) // what ended it is told of the rows, where it matters
			e.bulk.end()
			m.remove(l)
		}
		if !p.wait(ctx, nil, nil) {
			return
		}
	}
}

// drain writes what is in a queue until the connection or ctx ends, and then what is left.
func (m *Mesh) drain(ctx context.Context, l *line, q *queue) error {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		l.shut(watch(l))
	}()
	defer func() { <-watched }()
	stop := context.AfterFunc(ctx, func() { _ = l.SetWriteDeadline(time.Now().Add(flushTime)) }) // a write that hangs ends
	defer stop()
	for ending := false; ; {
		frames, hello := q.take()
		if hello {
			if err := l.writeUntil(m.says(), ctx.Done()); err != nil {
				return l.ended(err)
			}
		}
		if err := l.writeAll(frames, ctx.Done()); err != nil {
			return l.ended(err)
		}
		q.done(frames)
		if len(frames) > 0 || hello {
			continue
		}
		if ending {
			return l.ended(context.Cause(ctx))
		}
		select {
		case <-ctx.Done():
			ending = true // what came before the end is in the queue
		case <-l.done:
			return l.ended(nil)
		case <-q.ready:
		}
	}
}

// watch reads what who accepted has to say: nothing, or why it ends.
func watch(l *line) error {
	message, err := l.read(wire.MaxFrame, 0)
	if err != nil {
		return err
	}
	if r, ok := message.(wire.Refused); ok {
		return fmt.Errorf("it says: %s: %w", r.Why, ErrRefused)
	}
	return fmt.Errorf("a message that does not belong here: %w", ErrProtocol)
}
