package relay

import (
	"cmp"
	"slices"

	"turnpike.dev/turnpike/bpf"
)

// path says who relays a flow now.
func (e *Engine) path(h *half) (Path, string) {
	if !h.inKernel {
		return PathUserspace, h.reason
	}
	if why := e.kernel.Reason(h.kernel); why != "" {
		return PathUserspace, why
	}
	return PathXDP, ""
}

// Stats returns a pair as it stands.
func (e *Engine) Stats(id ID) (PairInfo, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	en, ok := e.pairs[id]
	if !ok {
		return PairInfo{}, ErrNotFound
	}
	return e.info(en), nil
}

// List returns every pair, the oldest first.
func (e *Engine) List() []PairInfo {
	e.mu.RLock()
	defer e.mu.RUnlock()
	list := make([]PairInfo, 0, len(e.pairs))
	for _, en := range e.pairs {
		list = append(list, e.info(en))
	}
	slices.SortFunc(list, func(a, b PairInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func (e *Engine) info(en *entry) PairInfo {
	info := PairInfo{ID: en.id, Pair: en.pair}
	for d, h := range en.halfs {
		path, reason := e.path(h)
		total, process := e.counters(h)
		info.Stats[d] = FlowStats{Counters: total, Process: process.Carried(), Path: path, Reason: reason, Last: lastOf(total, process)}
	}
	return info
}

// counters returns a flow's counters, and what of them is the process's.
func (e *Engine) counters(h *half) (total, process Counters) {
	total = e.process.Counters(h.process)
	process = total
	if h.inKernel {
		total.Add(e.kernel.Counters(h.kernel))
	}
	total.Add(h.past)
	total.Add(h.earlier)
	for _, earlier := range e.joinedTo(h) {
		total.Add(e.kernel.Counters(earlier.kernel).since(earlier.nextBefore))
	}
	total.Finish(h.flow().ClockHz)
	return total, process
}

// lastOf says who relayed the last packet of a flow.
func lastOf(total, process Counters) Path {
	switch {
	case total.Packets == 0:
		return ""
	case total.LastSeen.After(process.LastSeen):
		return PathXDP
	}
	return PathUserspace
}

// Reasons counts packets by the reason they left the program, and the process's relay.
func (e *Engine) Reasons() (kernel, process [bpf.ReasonCount]uint64) {
	if e.kernel != nil {
		kernel = e.kernel.Reasons()
	}
	return kernel, e.process.Reasons()
}
