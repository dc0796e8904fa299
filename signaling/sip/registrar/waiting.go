package registrar

import (
	"errors"
	"slices"
	"sync"

	"turnpike.dev/turnpike/control/registrations"
	"turnpike.dev/turnpike/signaling/sip/patience"
)

// held is a request that changes something, and is held while other peers of the cluster may have what it needs (LI-06).
type held struct {
	server  server
	request request
	// attempt takes what the request needs, patiently or finally; then goes on with the request when it is here.
	attempt func(patient bool) error
	then    func()
	wait    patience.Wait
	over    bool // a later request took its place; waiting.mu guards it
}

// waiting are the requests that are held, by address of record. There are no more than those for whom Await waits.
type waiting struct {
	mu   sync.Mutex
	list map[string][]*held
}

// errOvertaken: the endpoint has said something else since (RFC 3261 section 10.3 step 7).
var errOvertaken = &refusal{status: 500, reason: "Overtaken by a Later Request", detail: "the endpoint sent a later request while this one waited"}

// carryOut carries out a request that changes something, or holds it until there may be more. On the request's shard.
func (r *Registrar) carryOut(h *held) {
	if r.waiting.remove(h) {
		r.patience.Over(&h.wait, patience.GivenUp)
		r.refuse(h.server, errOvertaken)
		return
	}
	err := h.attempt(true)
	if errors.Is(err, registrations.ErrWaits) {
		r.overtake(&h.request)
		r.waiting.add(h)
		if r.patience.Hold(&h.wait, h.server.Shard(), err, func() { r.carryOut(h) }) {
			return
		}
		r.waiting.remove(h)
		err = h.attempt(false)
	}
	if err != nil {
		r.patience.Over(&h.wait, patience.Refused)
		r.refuse(h.server, err)
		return
	}
	r.patience.Over(&h.wait, patience.Given)
	r.overtake(&h.request)
	h.then()
}

// overtake ends the requests that wait for what a later one has said otherwise about: or an endpoint that has left would
// be registered, or one that has moved be where it was.
func (r *Registrar) overtake(by *request) {
	for _, h := range r.waiting.overtaken(by) {
		h.server.Shard().Post(func() { // where that has no room it is answered when its time is over
			if h.wait.Waits() {
				r.carryOut(h)
			}
		})
	}
}

// Waited says what became of registrations that waited for what other peers of the cluster had.
func (r *Registrar) Waited() patience.Stats { return r.patience.Stats() }

func (w *waiting) add(h *held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[string][]*held{}
	}
	w.list[h.request.aor] = append(w.list[h.request.aor], h)
}

// remove takes a request out, and says whether a later one took its place.
func (w *waiting) remove(h *held) (over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	aor := h.request.aor
	if len(w.list[aor]) == 0 {
		return false
	}
	left := slices.DeleteFunc(w.list[aor], func(o *held) bool { return o == h })
	if w.list[aor] = left; len(left) == 0 {
		delete(w.list, aor)
	}
	return h.over
}

// overtaken marks the requests that one has overtaken, and returns them.
func (w *waiting) overtaken(by *request) (all []*held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.list[by.aor] {
		if !h.over && &h.request != by && by.overtakes(&h.request) {
			h.over = true
			all = append(all, h)
		}
	}
	return all
}

// overtakes says whether a request that came later is about what another one asked for. Nobody has checked yet who sent one
// for another registrar: it takes the place only of what came from the same address.
func (q *request) overtakes(o *request) bool {
	if q.elsewhere && q.src.Remote.Addr() != o.src.Remote.Addr() {
		return false
	}
	if q.m.CallID() == o.m.CallID() { // one client numbers what it sends
		mine, _ := q.m.CSeq()
		theirs, _ := o.m.CSeq()
		return mine > theirs
	}
	return q.all || slices.ContainsFunc(q.wishes, func(w wish) bool { return slices.ContainsFunc(o.wishes, w.also) })
}

// also says whether two contacts would be one binding (see match).
func (w wish) also(o wish) bool {
	return w.instance == o.instance && w.regID == o.regID && (w.instance != "" || w.same(o.contact))
}
