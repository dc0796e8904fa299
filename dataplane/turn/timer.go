package turn

import (
	"container/heap"
	"context"
	"time"
)

// wakeHeap orders allocations by when something of them ends next.
type wakeHeap []*allocation

var _ heap.Interface = (*wakeHeap)(nil)

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].wake.Before(h[j].wake) }

func (h wakeHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapSlot, h[j].heapSlot = i, j
}

// Push is heap.Interface's; use heap.Push.
func (h *wakeHeap) Push(x any) {
	a := x.(*allocation)
	a.heapSlot = len(*h)
	*h = append(*h, a)
}

// Pop is heap.Interface's; use heap.Remove.
func (h *wakeHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return a
}

const (
	longestSleep = time.Hour // when nothing is due
	// expireAtOnce bounds how long the timer keeps the lock: removing a flow waits
	// for whoever is relaying by it.
	expireAtOnce = 32
)

// runTimer ends what is over, until ctx ends. It is the one goroutine for all
// deadlines; whoever uses something checks its deadline by itself as well.
func (s *Server) runTimer(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.woken:
		}
		t.Reset(time.Until(s.expireDue()))
	}
}

// expireDue ends what is over and returns when to come back.
func (s *Server) expireDue() time.Time {
	s.mu.Lock()
	defer s.unlock()
	now := time.Now()
	next := now.Add(longestSleep)
	if s.closed {
		return next
	}
	s.dropReservations(now)
	if len(s.reserved) > 0 {
		next = earlier(next, s.reserved[0].expires)
	}
	for n := 0; n < expireAtOnce && len(s.wakes) > 0 && !now.Before(s.wakes[0].wake); n++ {
		s.expire(s.wakes[0], now)
	}
	if len(s.wakes) > 0 {
		next = earlier(next, s.wakes[0].wake)
	}
	s.sleepsUntil = next
	return next
}

// rearm wakes the timer when it would sleep too long.
func (s *Server) rearm(due time.Time) {
	if !s.sleepsUntil.IsZero() && !due.Before(s.sleepsUntil) {
		return
	}
	s.sleepsUntil = due
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
