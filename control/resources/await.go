package resources

import (
	"sync"
	"time"
)

// maxAwaiting bounds who waits for licences of other peers at a time: whoever comes then is refused at once.
const maxAwaiting = 1024

// awaiting are those who were refused licences of which other peers may have some.
type awaiting struct {
	mu   sync.Mutex
	list map[*awaited]struct{}
}

type awaited struct {
	again func()
	timer *time.Timer
}

// Await has again called, once and on a goroutine of its own choice, when there may be more licences here than
// there were: the cluster has lent some or said that there are none, or until has come. Who was refused
// tries again then. again must not block. False: nobody lends any here, or the time is over, and a refusal stands.
func (r *Resources) Await(until time.Time, again func()) bool {
	r.changing.RLock()
	lent := r.pool.lent != nil
	r.changing.RUnlock()
	left := time.Until(until)
	if !lent || left <= 0 {
		return false
	}
	w := &r.awaiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) >= maxAwaiting {
		return false
	}
	if w.list == nil {
		w.list = map[*awaited]struct{}{}
	}
	a := &awaited{again: again}
	w.list[a] = struct{}{}
	a.timer = time.AfterFunc(left, func() { w.end(a) })
	return true
}

// end calls one whose time has come, unless it was called.
func (w *awaiting) end(a *awaited) {
	w.mu.Lock()
	_, waits := w.list[a]
	delete(w.list, a)
	w.mu.Unlock()
	if waits {
		a.again()
	}
}

// Wake has all those try again who wait: what the cluster lends has changed.
func (r *Resources) Wake() {
	w := &r.awaiting
	w.mu.Lock()
	all := w.list
	w.list = nil
	w.mu.Unlock()
	for a := range all {
		a.timer.Stop()
		a.again()
	}
}
