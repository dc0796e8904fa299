package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// LeaseTime is how long the kernel relays on without the process (ME-06).
	LeaseTime = 30 * time.Second
	// renewEvery is how much of a lease may be over already when the process ends: the
	// next one has the rest of the time to come.
	renewEvery = time.Second
	// estimateEvery is how far apart two looks at the RTP clocks are.
	estimateEvery = 5 * time.Second
	// reconcileEvery is how often the kernel's tables are compared with this one.
	reconcileEvery = time.Minute
)

var _ Table = (*Engine)(nil)

// Engine is the table of this node. It gives every flow to the process's relay and,
// where there is one, to the kernel's, renews the leases of the latter, and joins
// flows between two relays of this node. Its lock is taken after the TURN server's
// and before those of the back ends.
type Engine struct {
	kernel    Kernel // nil: none
	whyNot    string // there is no kernel back end
	process   Process
	strays    atomic.Uint64
	renewed   atomic.Pointer[time.Time]
	mu        sync.RWMutex
	pairs     map[ID]*entry
	byKey     map[tableKey]*half
	byForward map[forward][]*half
	last      ID
	groups    map[Group]*group
	lastGroup Group
	margin    int // percent
}

// tableKey keeps a client on TCP apart from one on UDP with the same address and port.
type tableKey struct {
	Key
	stream bool
}

func (f *Flow) tableKey() tableKey { return tableKey{f.Key, f.Stream} }

type entry struct {
	id    ID
	pair  Pair
	halfs [2]*half
}

// half is one flow of a pair, in both back ends.
type half struct {
	entry     *entry
	direction Direction
	process   FlowID
	kernel    FlowID
	inKernel  bool
	reason    string // not in the kernel
	// A joined flow does in the kernel what its own flow and then the next one would
	// do: it leaves by next's way, without a turn through this node's sockets.
	next       *half
	nextBefore Counters // what this flow had counted when it was joined
	earlier    Counters // what flows that were joined to this one counted in all
	past       Counters // what the kernel counted before it gave this flow up
	// inherited: the kernel had the flow from an earlier process.
	inherited bool
}

// forward is where a flow sends: the 5-tuple by which the next relay would take it.
type forward struct{ src, dst netip.AddrPort }

func (h *half) flow() *Flow { return &h.entry.pair.Flows[h.direction] }

func (h *half) forward() forward { return forward{h.flow().Out.Src, h.flow().Out.Dst} }

// NewEngine makes a table. kernel may be nil; whyNot then says why.
func NewEngine(kernel Kernel, whyNot string, process Process) *Engine {
	return &Engine{
		kernel: kernel, whyNot: whyNot, process: process,
		pairs: map[ID]*entry{}, byKey: map[tableKey]*half{}, byForward: map[forward][]*half{},
		groups: map[Group]*group{}, margin: DefaultMargin,
	}
}

// Run renews leases and compares the tables until ctx ends. Then flows are left as
// they are: media goes on under its lease.
func (e *Engine) Run(ctx context.Context) error {
	renew, estimate, reconcile := time.NewTicker(renewEvery), time.NewTicker(estimateEvery), time.NewTicker(reconcileEvery)
	defer renew.Stop()
	defer estimate.Stop()
	defer reconcile.Stop()
	clocks := newClocks()
	e.renewAll()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
			e.renewAll()
		case <-estimate.C:
			e.estimateClocks(clocks)
		case <-reconcile.C:
			// An error is of the moment; the next minute tries again.
			n, _ := e.Sweep()
			e.strays.Add(uint64(n))
		}
	}
}

// Sweep removes from the kernel what is not in the table, and offers it again what it
// refused. Call it once after the flows of an earlier process were added again.
func (e *Engine) Sweep() (int, error) {
	if e.kernel == nil {
		return 0, nil
	}
	strays, err := e.kernel.Sweep()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, en := range e.pairs {
		for _, h := range en.halfs {
			if !h.inKernel {
				e.installKernel(h)
			}
		}
	}
	return strays, err
}

// Strays is how many entries the kernel had that the table did not know, or lacked,
// since Run began. It should be zero.
func (e *Engine) Strays() uint64 { return e.strays.Load() }

// Add installs both flows.
func (e *Engine) Add(p Pair) (ID, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range p.Flows {
		if _, ok := e.byKey[f.tableKey()]; ok {
			return 0, fmt.Errorf("%w: %v", ErrExists, f.Key)
		}
	}
	e.last++
	en := &entry{id: e.last, pair: p}
	for d := range en.halfs {
		h := &half{entry: en, direction: Direction(d)}
		en.halfs[d] = h
		if err := e.install(h); err != nil {
			if d == int(Down) {
				e.remove(en.halfs[Up])
			}
			return 0, err
		}
	}
	e.pairs[en.id] = en
	return en.id, nil
}

func (e *Engine) install(h *half) error {
	id, err := e.process.Install(*h.flow())
	if err != nil {
		return fmt.Errorf("install flow: %w", err)
	}
	h.process = id
	e.byKey[h.flow().tableKey()] = h
	e.byForward[h.forward()] = append(e.byForward[h.forward()], h)
	e.installKernel(h)
	return nil
}

// Update replaces what becomes of the datagrams of both flows.
func (e *Engine) Update(id ID, p Pair) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	en, ok := e.pairs[id]
	if !ok {
		return ErrNotFound
	}
	for d := range p.Flows {
		if p.Flows[d].tableKey() != en.pair.Flows[d].tableKey() {
			return fmt.Errorf("update flow %s: what it takes must stay", Direction(d))
		}
	}
	old := en.pair
	var errs []error
	for d, h := range en.halfs {
		e.forgetForward(h)
		en.pair.Owner, en.pair.NotAfter, en.pair.Flows[d] = p.Owner, p.NotAfter, p.Flows[d]
		e.byForward[h.forward()] = append(e.byForward[h.forward()], h)
		errs = append(errs, e.replace(h))
	}
	if err := errors.Join(errs...); err != nil {
		for d, h := range en.halfs {
			e.forgetForward(h)
			en.pair.Flows[d] = old.Flows[d]
			e.byForward[h.forward()] = append(e.byForward[h.forward()], h)
			_ = e.replace(h) // it was so before
		}
		en.pair = old
		return err
	}
	return nil
}

func (e *Engine) replace(h *half) error {
	if err := e.process.Replace(h.process, *h.flow()); err != nil {
		return fmt.Errorf("change flow: %w", err)
	}
	switch {
	case !h.inKernel:
		e.installKernel(h)
	case h.flow().needsProcess():
		e.leaveKernel(h, onlyProcess)
	case e.notInKernel(h.flow()) != "":
		e.leaveKernel(h, e.notInKernel(h.flow()))
	default:
		if err := e.join(h, e.nextOf(h)); err != nil {
			return fmt.Errorf("change flow in the kernel: %w", err)
		}
	}
	for _, earlier := range e.joinedTo(h) { // they follow the change
		e.mustJoin(earlier, e.nextOf(earlier))
	}
	return nil
}

// Renew moves the end of a pair.
func (e *Engine) Renew(id ID, notAfter time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	en, ok := e.pairs[id]
	if !ok {
		return ErrNotFound
	}
	en.pair.NotAfter = notAfter
	e.renew(en)
	return nil
}

func (e *Engine) renew(en *entry) {
	for _, h := range en.halfs {
		if h.inKernel {
			e.kernel.Lease(h.kernel, h.lease())
		}
	}
}

func (e *Engine) renewAll() {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, en := range e.pairs {
		e.renew(en)
	}
	now := time.Now()
	e.renewed.Store(&now)
}

// Renewed is when Run last renewed the leases; zero before it first did. The kernel
// stops relaying LeaseTime after it.
func (e *Engine) Renewed() time.Time {
	if at := e.renewed.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Remove takes both flows out and returns their final counters.
func (e *Engine) Remove(id ID) ([2]FlowStats, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	en, ok := e.pairs[id]
	if !ok {
		return [2]FlowStats{}, ErrNotFound
	}
	var stats [2]FlowStats
	for d, h := range en.halfs {
		stats[d] = e.remove(h)
	}
	delete(e.pairs, id)
	return stats, nil
}

func (e *Engine) remove(h *half) FlowStats {
	path, reason := e.path(h)
	delete(e.byKey, h.flow().tableKey())
	e.forgetForward(h)
	for _, earlier := range e.joinedTo(h) {
		e.mustJoin(earlier, nil)
	}
	if h.inKernel {
		e.leaveKernel(h, "")
	}
	total := e.process.Remove(h.process)
	process := total
	total.Add(h.past)
	total.Add(h.earlier)
	total.Finish(h.flow().ClockHz)
	return FlowStats{Counters: total, Process: process.Carried(), Path: path, Reason: reason, Last: lastOf(total, process)}
}

func (e *Engine) forgetForward(h *half) {
	f := h.forward()
	rest := slices.DeleteFunc(e.byForward[f], func(o *half) bool { return o == h })
	if len(rest) == 0 {
		delete(e.byForward, f)
		return
	}
	e.byForward[f] = rest
}

// Forward relays a datagram that came over TCP or TLS.
func (e *Engine) Forward(k Key, payload []byte) bool { return e.process.Forward(k, payload) }
