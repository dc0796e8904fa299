package shard

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Tick is how exact timers are. A turn of the wheel is 41 s, so that the timers of transactions, of 32 s and
// less, are touched twice: when they are set and when they fire or are stopped.
const (
	Tick  = 10 * time.Millisecond
	slots = 4096
	words = slots / 64
)

// Timer is a function that runs later. All of it belongs to its shard.
type Timer struct {
	shard      *Shard
	f          func()
	tick       int64 // when, in ticks since the wheel began
	next, prev *Timer
	set        bool
}

// Stop keeps the timer from firing. It reports whether it would have. A nil timer is stopped.
func (t *Timer) Stop() bool {
	if t == nil || !t.set {
		return false
	}
	t.shard.wheel.remove(t)
	return true
}

// Reset lets the timer fire when d has passed from now on, whether it has fired, was stopped or neither.
func (t *Timer) Reset(d time.Duration) {
	t.Stop()
	t.shard.wheel.add(t, t.shard.Now().Add(d))
}

// list is the timers of a slot, those that were set earlier first.
type list struct{ first, last *Timer }

// wheel is a hashed timer wheel: a list of timers for each slot, and a bit for each list that is not empty.
type wheel struct {
	begun time.Time
	tick  int64 // all before and this one have been looked at
	slot  [slots]list
	used  [words]uint64
	count atomic.Int64
}

func newWheel(now time.Time) wheel { return wheel{begun: now} }

// at is the first tick that is not before when.
func (w *wheel) at(when time.Time) int64 { return int64((when.Sub(w.begun) + Tick - 1) / Tick) }

func (w *wheel) add(t *Timer, when time.Time) {
	t.tick = max(w.at(when), w.tick+1)
	i := t.tick % slots
	l := &w.slot[i]
	t.set, t.next, t.prev = true, nil, l.last
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
	w.used[i/64] |= 1 << (i % 64)
	w.count.Add(1)
}

func (w *wheel) remove(t *Timer) {
	i := t.tick % slots
	l := &w.slot[i]
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if l.first == nil {
		w.used[i/64] &^= 1 << (i % 64)
	}
	t.set, t.next, t.prev = false, nil, nil
	w.count.Add(-1)
}

// due takes out one timer whose time has come, nil when there is none.
func (w *wheel) due(now time.Time) *Timer {
	end := int64(now.Sub(w.begun) / Tick)
	for w.tick < end {
		step := min(w.gap(w.tick+1), end-w.tick-1)
		at := w.tick + 1 + step
		for t := w.slot[at%slots].first; t != nil; t = t.next {
			if t.tick <= at {
				w.remove(t)
				return t // the tick stays: it may have more
			}
		}
		w.tick = at
	}
	return nil
}

// next is the earliest time at which a timer may be due.
func (w *wheel) next() (time.Time, bool) {
	if w.count.Load() == 0 {
		return time.Time{}, false
	}
	return w.begun.Add(time.Duration(w.tick+1+w.gap(w.tick+1)) * Tick), true
}

// gap counts the ticks from one on whose slots are empty; a turn when all are.
func (w *wheel) gap(from int64) int64 {
	start := int(from % slots)
	word, bit := start/64, start%64
	if rest := w.used[word] >> bit; rest != 0 {
		return int64(bits.TrailingZeros64(rest))
	}
	gap := 64 - bit
	for i := 1; i <= words; i++ {
		if rest := w.used[(word+i)%words]; rest != 0 {
			return int64(gap + bits.TrailingZeros64(rest))
		}
		gap += 64
	}
	return slots
}
