package locate

import (
	"context"
	"errors"
	"time"
)

// question is what a name server is asked.
type question struct {
	name string // lower case, with the final dot
	kind uint16 // dns.TypeA, ...
}

// entry is a question that was asked, or is being asked.
type entry struct {
	done    chan struct{} // closed when the rest is there
	answer  answer
	err     error
	expires time.Time
}

// ask answers a question from memory, or asks name servers, once for all who want to know.
func (r *Resolver) ask(ctx context.Context, q question) (answer, error) {
	e, err := r.enter(q)
	if err != nil {
		return answer{}, err
	}
	select {
	case <-e.done:
		return e.answer, e.err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// enter returns the entry of a question; where there is none that holds, it is asked.
func (r *Resolver) enter(q question) (*entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[q]; e != nil && e.holds(r.now()) {
		return e, nil
	}
	if r.flying >= r.limits.InFlight {
		return nil, ErrBusy
	}
	r.makeRoom()
	e := &entry{done: make(chan struct{})}
	r.entries[q] = e
	r.flying++
	go r.learn(q, e)
	return e, nil
}

// holds says whether an entry may be used: what is being asked may be waited for.
func (e *entry) holds(now time.Time) bool {
	select {
	case <-e.done:
		return now.Before(e.expires)
	default:
		return true
	}
}

// learn asks name servers. It goes on when whoever wanted to know has gone: the next one
// will want to know too.
func (r *Resolver) learn(q question, e *entry) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limits.Lookup)
	defer cancel()
	a, ttl, err := r.query(ctx, r.using.Load(), q)
	r.mu.Lock()
	e.answer, e.err, e.expires = a, err, r.now().Add(r.limits.keep(ttl, err))
	r.flying--
	r.mu.Unlock()
	close(e.done)
}

// keep bounds how long an answer holds.
func (l Limits) keep(ttl time.Duration, err error) time.Duration {
	switch {
	case err == nil:
		return min(max(ttl, l.MinTTL), l.MaxTTL)
	case errors.Is(err, ErrNotFound):
		return min(max(ttl, l.MinTTL), l.Negative)
	}
	return l.Failure
}

// makeRoom takes out what holds no more, or else anything, when the cache is full.
func (r *Resolver) makeRoom() {
	if len(r.entries) < r.limits.Cached {
		return
	}
	now := r.now()
	for q, e := range r.entries {
		if !e.holds(now) {
			delete(r.entries, q)
		}
	}
	for q := range r.entries { // the order of a map is any
		if len(r.entries) < r.limits.Cached {
			return
		}
		delete(r.entries, q)
	}
}
