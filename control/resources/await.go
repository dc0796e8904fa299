package resources

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// maxAwaiting bounds who waits for what other peers may have at a time: whoever comes then goes by what is here.
	maxAwaiting = 1024
	// firstWait is how long a request waits for the first shares of a node that has just started or joined, and
	// usualWait how long for what other peers may have idle.
	firstWait = 6 * time.Second
	usualWait = 1500 * time.Millisecond
	// maxShort bounds the refusals for which Await was not called, yet or at all.
	maxShort = 64
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
	// short is what was short of those who were refused and have not called Await: the last one first. Who is refused calls
	// it at once, so of requests at the very same moment two may be taken for each other, and the sums are right.
	short [][]*part
}

type awaited struct {
	number      uint64
	since, from time.Time
	again       func()
	timer       *time.Timer
	of          []*part // what it waits for
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
	if last := len(w.short) - 1; last >= 0 {
		a.of = w.short[last]
		w.short = slices.Delete(w.short, last, last+1)
	}
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
	for _, p := range a.of {
		p.waits.Add(1)
	}
	a.timer = time.AfterFunc(left, func() { w.end(a) })
	return true
}

// refused notes what was short of a request that may wait for it.
func (w *awaiting) refused(short []*part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.short) >= maxShort {
		w.short = slices.Delete(w.short, 0, 1)
	}
	w.short = append(w.short, short)
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
	for _, p := range a.of {
		p.waits.Add(-1)
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
