package relay

import "time"

// onlyProcess is why a flow never goes to the kernel.
const onlyProcess = "the client is on TCP or TLS"

// needsProcess tells whether a flow's datagrams are not the kernel's to receive or send.
func (f *Flow) needsProcess() bool { return f.Sink != nil || f.Stream }

// nextOf finds the flow of another relay of this node that takes what h sends.
func (e *Engine) nextOf(h *half) *half {
	f := h.flow()
	if f.needsProcess() || f.Out.Channel != 0 {
		return nil
	}
	next := e.byKey[tableKey{Key: Key{Local: f.Out.Dst, Remote: f.Out.Src}}]
	if next == nil || next.flow().needsProcess() || e.notInKernel(next.flow()) != "" {
		return nil
	}
	if f.groupCount()+next.flow().groupCount() > MaxGroups {
		return nil
	}
	return next
}

// joinedTo returns the flows that the kernel sends on by h's way.
func (e *Engine) joinedTo(h *half) []*half {
	k := h.flow().Key
	var joined []*half
	for _, earlier := range e.byForward[forward{k.Remote, k.Local}] {
		if earlier.next == h && earlier.inKernel {
			joined = append(joined, earlier)
		}
	}
	return joined
}

// joined is what the kernel does with h's datagrams.
func (h *half) joined() Flow {
	f := *h.flow()
	if h.next == nil {
		return f
	}
	then := h.next.flow()
	f.Out = then.Out
	f = f.withGroups(then)
	if f.RateKbps == 0 || then.RateKbps != 0 && then.RateKbps < f.RateKbps {
		f.RateKbps, f.Depth = then.RateKbps, then.Depth
	}
	return f
}

func (h *half) lease() time.Time {
	until := leaseOf(h.entry.pair.NotAfter)
	if h.next != nil {
		if other := leaseOf(h.next.entry.pair.NotAfter); other.Before(until) {
			return other
		}
	}
	return until
}

func leaseOf(notAfter time.Time) time.Time {
	until := time.Now().Add(LeaseTime)
	if !notAfter.IsZero() && notAfter.Before(until) {
		return notAfter
	}
	return until
}

// installKernel offers a flow to the kernel, and joins to it the flows that send to it.
func (e *Engine) installKernel(h *half) {
	switch {
	case e.kernel == nil:
		h.reason = e.whyNot
		return
	case h.flow().needsProcess():
		h.reason = onlyProcess
		return
	case e.notInKernel(h.flow()) != "":
		h.reason = e.notInKernel(h.flow())
		return
	}
	h.next = e.nextOf(h)
	id, err := e.kernel.Install(h.joined(), h.lease())
	if err != nil {
		h.next, h.reason = nil, err.Error()
		return
	}
	h.kernel, h.inKernel, h.reason = id, true, ""
	// What it counted for an earlier process was the next flow's as well.
	counted := e.kernel.Counters(id)
	h.inherited = counted.Packets > 0 && h.next == nil
	h.nextBefore = Counters{}
	e.joinEarlier(h)
}

// leaveKernel takes a flow out of the kernel; the process relays it.
func (e *Engine) leaveKernel(h *half, reason string) {
	counted := e.kernel.Remove(h.kernel)
	h.settle(counted)
	h.past.Add(counted)
	h.next, h.inKernel, h.reason = nil, false, reason
}

// settle gives the next flow what h counted while it was joined to it.
func (h *half) settle(counted Counters) {
	if h.next != nil {
		h.next.earlier.Add(counted.since(h.nextBefore))
	}
	h.nextBefore = counted
}

// joinEarlier joins to h the flows that send to it.
func (e *Engine) joinEarlier(h *half) {
	k := h.flow().Key
	for _, earlier := range e.byForward[forward{k.Remote, k.Local}] {
		if earlier != h && earlier.inKernel && e.nextOf(earlier) == h {
			// Refused, it goes through the process as before.
			_ = e.join(earlier, h)
		}
	}
}

// join makes h leave by next's way, or by its own with nil.
func (e *Engine) join(h, next *half) error {
	counted := e.kernel.Counters(h.kernel)
	before := h.next
	h.next = next
	if err := e.kernel.Replace(h.kernel, h.joined(), h.lease()); err != nil {
		h.next = before
		return err
	}
	h.next = before
	h.settle(counted)
	h.next = next
	if h.inherited && next != nil {
		h.inherited, h.nextBefore = false, Counters{}
	}
	return nil
}

// mustJoin is join where the way that h goes by may not go on: what the kernel does not
// change it must give up.
func (e *Engine) mustJoin(h, next *half) {
	if err := e.join(h, next); err != nil {
		e.leaveKernel(h, err.Error())
	}
}
