package resources

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAwaiting bounds who waits for what other peers may have at a time: whoever comes then goes by what is here.
	maxAwaiting = 1024
	// firstWait is how long a request waits for the first shares of a node that has just started or joined, and
	// usualWait how long for what other peers may have idle.
	firstWait = 6 * time.Second
	usualWait = 1500 * time.Millisecond
	// maxShort bounds the refusals for which Await was not called yet, and whoever takes longer than longestShort for it is
	// taken for one that gave up.
	maxShort     = 256
	longestShort = 100 * time.Millisecond
	// soon is when those try again to whom the cluster spoke before they called Await.
	soon = time.Millisecond
)

// awaiting are those who were refused what other peers may have some of.
type awaiting struct {
	mu    sync.Mutex
	list  map[*awaited]struct{}
	last  uint64
	first time.Time // when the first lease of the cluster came; zero: it has not
	// tried are those who were called and may come back, by when they first asked.
	tried map[int64]time.Time
	count Waited
	// turn counts the cluster's words: whose decision began before one may not have seen what it brought.
	turn atomic.Uint64
	// short are those who were refused and have not called Await yet, in their order. See take.
	short []refusedShort
}

// refusedShort is a refusal, and the turn at which its decision began.
type refusedShort struct {
	of   []lack
	turn uint64
	at   time.Time
}

type awaited struct {
	number      uint64
	since, from time.Time
	again       func()
	timer       *time.Timer
	of          []lack // what it waits for
}

// Waited is how requests waited for what other peers might have, since the start of the process.
type Waited struct {
	Requests uint64
	InVain   uint64        // of them: they were decided by what was here in the end
	For      time.Duration // all together
}

// Waited says how many requests waited, and how long.
func (r *Resources) Waited() Waited {
	r.awaiting.mu.Lock()
	defer r.awaiting.mu.Unlock()
	return r.awaiting.count
}

// Await has again called, once and on a goroutine of its own choice, when there may be more here than there was:
// the cluster has lent some or said that there is none, or the time of the request is over. since is when it first
// asked, the same whenever it comes again: a request waits for 1.5 s in all, and for 6 s while the cluster has not lent
// anything yet. Who was refused with Waits asks again then, with Patient as before. again must not block.
// False: it has waited long enough, or nobody lends any here: it decides finally, with Patient false.
func (r *Resources) Await(since time.Time, again func()) bool {
	r.changing.RLock()
	lent := r.lending.lease != nil
	r.changing.RUnlock()
	return r.awaiting.add(lent, &awaited{since: since, from: time.Now(), again: again})
}

func (w *awaiting) add(lent bool, a *awaited) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	missed := w.take(a)
	_, before := w.tried[a.since.UnixNano()]
	delete(w.tried, a.since.UnixNano())
	left := w.until(a.since).Sub(a.from)
	if !lent || left <= 0 || len(w.list) >= maxAwaiting {
		if before {
			w.count.InVain++
		}
		return false
	}
	if !before {
		w.count.Requests++
	}
	if w.list == nil {
		w.list, w.tried = map[*awaited]struct{}{}, map[int64]time.Time{}
	}
	w.last++
	a.number = w.last
	w.list[a] = struct{}{}
	for _, l := range a.of {
		l.part.waits.Add(1)
	}
	if missed {
		left = min(left, soon)
	}
	a.timer = time.AfterFunc(left, func() { w.end(a) })
	return true
}

// refused notes what was short of a request that may wait for it.
func (w *awaiting) refused(short []lack, turn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.short) >= maxShort {
		w.short = slices.Delete(w.short, 0, 1)
	}
	w.short = append(w.short, refusedShort{short, turn, time.Now()})
}

// take gives one that calls Await what it was short of. Who is refused calls at once, so of requests at the very same moment
// two may be taken for each other: the sums are right. missed: the cluster has spoken since the decision of somebody who
// has not called yet, perhaps of this one. As the last one goes first, whoever it is of is never let wait in vain. mu is
// held.
func (w *awaiting) take(a *awaited) (missed bool) {
	w.short = slices.DeleteFunc(w.short, func(s refusedShort) bool { return a.from.Sub(s.at) > longestShort })
	turn := w.turn.Load()
	missed = slices.ContainsFunc(w.short, func(s refusedShort) bool { return s.turn != turn })
	if last := len(w.short) - 1; last >= 0 {
		a.of = w.short[last].of
		w.short = slices.Delete(w.short, last, last+1)
	}
	return missed
}

// until is how long a request may wait that first asked at a time.
func (w *awaiting) until(since time.Time) time.Time {
	usual, first := since.Add(usualWait), since.Add(firstWait)
	switch begun := w.first.Add(usualWait); {
	case w.first.IsZero() || first.Before(begun):
		return first
	case begun.After(usual):
		return begun
	}
	return usual
}

// end calls one whose time has come, unless it was called.
func (w *awaiting) end(a *awaited) {
	w.mu.Lock()
	_, waits := w.list[a]
	if waits {
		w.called(a, time.Now())
	}
	w.mu.Unlock()
	if waits {
		a.again()
	}
}

// called notes that one is called. mu is held.
func (w *awaiting) called(a *awaited, now time.Time) {
	delete(w.list, a)
	for _, l := range a.of {
		l.part.waits.Add(-1)
	}
	w.count.For += now.Sub(a.from)
	if len(w.tried) >= maxAwaiting { // of those who got what they waited for
		maps.DeleteFunc(w.tried, func(_ int64, at time.Time) bool { return now.Sub(at) > time.Second })
	}
	w.tried[a.since.UnixNano()] = now
}

// wake calls all, in the order in which they came.
func (w *awaiting) wake() {
	now := time.Now()
	w.mu.Lock()
	w.turn.Add(1)
	all := slices.SortedFunc(maps.Keys(w.list), func(a, b *awaited) int { return cmp.Compare(a.number, b.number) })
	for _, a := range all {
		a.timer.Stop()
		w.called(a, now)
	}
	w.mu.Unlock()
	for _, a := range all {
		a.again()
	}
}

// Begin says that the cluster has lent something for the first time: who waits from now on waits for as long as usual.
func (r *Resources) Begin() {
	w := &r.awaiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first.IsZero() {
		w.first = time.Now()
	}
}
