package relay

import "time"

// nextOf finds the flow of another relay of this node that takes what h sends.
func (e *Engine) nextOf(h *half) *half {
	f := h.flow()
	if f.Sink != nil || f.Stream || f.Out.Channel != 0 {
		return nil
	}
	next := e.byKey[tableKey{Key: Key{Local: f.Out.Dst, Remote: f.Out.Src}}]
	if next == nil || next.flow().Sink != nil {
		return nil
	}
	return next
}

// joined is what the kernel does with h's datagrams.
func (h *half) joined() Flow {
	f := *h.flow()
	if h.next == nil {
		return f
	}
	then := h.next.flow()
	f.Out = then.Out
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

func (e *Engine) installKernel(h *half) {
	f := h.flow()
	switch {
	case e.kernel == nil:
		h.reason = e.whyNot
		return
	case f.Sink != nil || f.Stream:
		h.reason = "the client is on TCP or TLS"
		return
	}
	id, err := e.kernel.Install(h.joined(), h.lease())
	if err != nil {
		h.reason = err.Error()
		return
	}
	h.kernel, h.inKernel, h.reason = id, true, ""
	h.nextBefore = e.kernel.Counters(id)
}

// joinEarlier joins to h the flows that send to it.
func (e *Engine) joinEarlier(h *half) {
	k := h.flow().Key
	if k.Channel != 0 {
		return
	}
	for _, earlier := range e.byForward[forward{k.Remote, k.Local}] {
		if e.nextOf(earlier) == h && earlier.inKernel {
			e.join(earlier, h)
		}
	}
}

// join makes h leave by next's way, or by its own with nil. When the kernel refuses, h
// goes through the process as before.
func (e *Engine) join(h, next *half) {
	before := h.next
	counted := e.kernel.Counters(h.kernel)
	h.next = next
	if err := e.kernel.Replace(h.kernel, h.joined(), h.lease()); err != nil {
		h.next = before
		return
	}
	if before != nil {
		before.earlier.Add(since(counted, h.nextBefore))
	}
	h.nextBefore = counted
}

// since is what was counted after an earlier reading; of RTP only the whole is known.
func since(now, before Counters) Counters {
	now.Packets -= before.Packets
	now.Bytes -= before.Bytes
	now.Policed = 0
	return now
}
