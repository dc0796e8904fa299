package resources

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnpike.dev/turnpike/control/registrations"
)

const (
	// maxAwaiting bounds who waits for what other peers may have at a time: whoever comes then goes by what is here.
	maxAwaiting = 1024
	// firstWait is how long a request waits for the first shares of a node that has just started or joined, and
	// usualWait how long for what other peers may have idle.
	firstWait = 6 * time.Second
	usualWait = 1500 * time.Millisecond
	// leastWait is what is left at least of a request that waited at another peer: some round trips.
	leastWait = 500 * time.Millisecond
	// soon is when those try again to whom the cluster spoke before they called Await.
	soon = time.Millisecond
)

// Shortage is what a request was short of that other peers of the cluster may have. It is an error that is
// registrations.ErrWaits, and is for Await, soon.
type Shortage struct {
	of []lack
	// turn is how often the cluster had spoken when the decision began: who waits with an older one may have missed a word.
	turn uint64
}

// Error says that it is not decided.
func (s *Shortage) Error() string { return registrations.ErrWaits.Error() }

// Unwrap makes it registrations.ErrWaits.
func (s *Shortage) Unwrap() error { return registrations.ErrWaits }

// Waiter is a request that may wait, and comes again when it was called. The zero value has not waited. Its owner calls
// Await and Stop one after the other.
type Waiter struct {
	// Since is when the request first waited; zero: it has not. Waited is how long it did so at another peer before.
	Since  time.Time
	Waited time.Duration

	in   *awaiting
	last *awaited // its last wait; nil: it has none behind it
}

// awaiting are those who were refused what other peers may have some of.
type awaiting struct {
	mu    sync.Mutex
	list  map[*awaited]struct{}
	last  uint64
	first time.Time // when the first lease of the cluster came; zero: it has not
	count Waited
	// turn counts the cluster's words.
	turn atomic.Uint64
}

// awaited is one wait.
type awaited struct {
	number uint64
	from   time.Time
	again  func()
	timer  *time.Timer
	of     []lack  // what it waits for
	none   []*part // of that: the cluster has said that there is no more
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
// the cluster has lent some or said that there is none, or the time of the request is over. A request waits for 1.5 s in
// all, and for 6 s while the cluster has not lent anything yet; one that waited at another peer for what is left of that, and
// for half a second at least. Who was refused with Waits asks again then, with Patient as before. again must not block.
// False: it has waited long enough, or nobody lends any here, or the cluster has said while it waited that there is no more of
// all that it is short of: it decides finally, with Patient false.
func (r *Resources) Await(w *Waiter, of *Shortage, again func()) bool {
	lent, now := r.lent(), time.Now()
	if w.Since.IsZero() {
		w.Since = now
	}
	w.in = &r.awaiting
	return w.in.add(lent && !r.answered(w.last, of), w, &awaited{of: of.of, from: now, again: again}, of.turn)
}

// answered says that a request which comes again was called by the cluster's word that there is no more of all that it is
// short of. That refuses it however late it comes: a machine that has too much to do would have it asked anew each time.
func (r *Resources) answered(last *awaited, of *Shortage) bool {
	if last == nil || len(of.of) == 0 {
		return false
	}
	r.changing.RLock()
	defer r.changing.RUnlock()
	r.awaiting.mu.Lock()
	defer r.awaiting.mu.Unlock()
	return !slices.ContainsFunc(of.of, func(l lack) bool {
		return l.part.denied.IsZero() || !slices.Contains(last.none, l.part) // some came since, or nobody has said so
	})
}

// denied notes for all who wait for a part that there is no more of it.
func (w *awaiting) denied(p *part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.list {
		if slices.ContainsFunc(a.of, func(l lack) bool { return l.part == p }) && !slices.Contains(a.none, p) {
			a.none = append(a.none, p)
		}
	}
}

// Stop ends a wait: nobody wants any more what it waits for. Who was to be called is not, unless the call is under way.
func (w *Waiter) Stop() {
	if w.last == nil {
		return
	}
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	w.in.leave(w.last, time.Now())
}

func (w *awaiting) add(lent bool, by *Waiter, a *awaited, turn uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := by.last != nil
	if before {
		w.leave(by.last, a.from) // it was not called, and came by itself
	}
	left := w.until(by).Sub(a.from)
	if by.last = nil; !lent || left <= 0 || len(w.list) >= maxAwaiting {
		if before {
			w.count.InVain++
		}
		return false
	}
	if !before {
		w.count.Requests++
	}
	if w.list == nil {
		w.list = map[*awaited]struct{}{}
	}
	w.last++
	a.number, by.last = w.last, a
	w.list[a] = struct{}{}
	for _, l := range a.of {
		l.part.waits.Add(1)
	}
	if turn != w.turn.Load() {
		left = min(left, soon)
	}
	a.timer = time.AfterFunc(left, func() { w.end(a) })
	return true
}

// until is how long a request may wait.
func (w *awaiting) until(by *Waiter) time.Time {
	wait := by.rest(usualWait)
	usual, first := by.Since.Add(wait), by.Since.Add(by.rest(firstWait))
	switch begun := w.first.Add(wait); {
	case w.first.IsZero() || first.Before(begun):
		return first
	case begun.After(usual):
		return begun
	}
	return usual
}

// rest is what is left here of the time that a request has.
func (w *Waiter) rest(of time.Duration) time.Duration {
	return max(of-max(w.Waited, 0), leastWait)
}

// end calls one whose time has come, unless it was called.
func (w *awaiting) end(a *awaited) {
	w.mu.Lock()
	waits := w.leave(a, time.Now())
	w.mu.Unlock()
	if waits {
		a.again()
	}
}

// leave ends a wait, and says whether there was one. mu is held.
func (w *awaiting) leave(a *awaited, now time.Time) bool {
	if _, waits := w.list[a]; !waits {
		return false
	}
	delete(w.list, a)
	a.timer.Stop()
	for _, l := range a.of {
		l.part.waits.Add(-1)
	}
	w.count.For += now.Sub(a.from)
	return true
}

// wake calls all, in the order in which they came.
func (w *awaiting) wake() {
	now := time.Now()
	w.mu.Lock()
	w.turn.Add(1)
	all := slices.SortedFunc(maps.Keys(w.list), func(a, b *awaited) int { return cmp.Compare(a.number, b.number) })
	for _, a := range all {
		w.leave(a, now)
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
