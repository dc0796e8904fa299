package userspace

import (
	"errors"
	"fmt"

	"turnpike.dev/turnpike/dataplane/relay"
)

var errKey = errors.New("a flow's key cannot be replaced; remove the flow and install another")

// Install relays the flow from now on. The error is relay.ErrExists when a flow with
// the same key is running (a stream's key and a datagram's never meet), or
// relay.ErrFull.
//
// What a Sink gets is not padded: a ChannelData header has the length of the data, and
// whoever writes the message to a stream adds the zeroes up to a multiple of 4
// (RFC 8656 section 12.5).
func (r *Relay) Install(rf relay.Flow) (relay.FlowID, error) {
	if err := valid(rf); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.freeID()
	if id >= r.maxFlows {
		return 0, relay.ErrFull
	}
	f := &flow{key: rf.Key, stream: rf.Stream}
	r.aim(f, rf)
	if !r.publish(f) {
		r.drop(f.action.Load())
		return 0, relay.ErrExists
	}
	r.keep(id, f)
	return relay.FlowID(id), nil
}

// Replace changes what becomes of the flow's datagrams, and returns when none goes
// the old way any more. Counters go on, and what the policer had granted stays spent.
func (r *Relay) Replace(id relay.FlowID, rf relay.Flow) error {
	if err := valid(rf); err != nil {
		return err
	}
	f, old, err := r.redirect(id, rf)
	if err != nil {
		return err
	}
	r.settle(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(old)
	return nil
}

func (r *Relay) redirect(id relay.FlowID, rf relay.Flow) (f *flow, old *action, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f = r.at(id)
	if f == nil {
		return nil, nil, relay.ErrNotFound
	}
	if f.key != rf.Key || f.stream != rf.Stream {
		return nil, nil, fmt.Errorf("replace flow %d: %w", id, errKey)
	}
	old = f.action.Load()
	r.aim(f, rf)
	return f, old, nil
}

// Remove returns when no loop is relaying a datagram of the flow, with its final
// counters. Of an unknown flow they are zero.
func (r *Relay) Remove(id relay.FlowID) relay.Counters {
	r.mu.Lock()
	f := r.at(id)
	if f == nil {
		r.mu.Unlock()
		return relay.Counters{}
	}
	r.unpublish(f)
	r.flows[id] = nil
	r.lowest = min(r.lowest, int(id))
	r.drop(f.action.Swap(nil))
	r.mu.Unlock()

	r.settle(f)
	return r.counters(f)
}

// settle returns when nobody uses what the flow was before the call.
func (r *Relay) settle(f *flow) {
	if f.stream {
		f.inside.Lock()
		defer f.inside.Unlock()
		return
	}
	for _, l := range r.loops {
		l.settle()
	}
}

// Counters reads the flow's counters; of an unknown flow they are zero. What
// relay.Counters.Finish works out is left to the table, which adds the kernel's first.
func (r *Relay) Counters(id relay.FlowID) relay.Counters {
	r.mu.Lock()
	f := r.at(id)
	r.mu.Unlock()
	if f == nil {
		return relay.Counters{}
	}
	return r.counters(f)
}

// SetClock sets the RTP clock that jitter is measured with.
func (r *Relay) SetClock(id relay.FlowID, hz uint32) {
	r.mu.Lock()
	f := r.at(id)
	r.mu.Unlock()
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.media.setClock(hz)
}

func (r *Relay) counters(f *flow) relay.Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.media.counters(r.epoch)
}

// aim sets what becomes of the flow's datagrams.
func (r *Relay) aim(f *flow, rf relay.Flow) {
	a := &action{sink: rf.Sink, channel: rf.Out.Channel, split: rf.SplitRTCP}
	if a.sink == nil {
		a.out = r.port(rf.Out.Src)
		a.dstSize = a.dst.set(rf.Out.Dst)
	}
	buckets := r.groups.of(rf.Groups)
	f.mu.Lock()
	f.policer.grant(rf.RateKbps, rf.Depth)
	f.buckets = buckets
	f.media.setClock(rf.ClockHz)
	f.mu.Unlock()
	f.action.Store(a)
}

// drop gives back what an action held.
func (r *Relay) drop(a *action) {
	if a.out != nil {
		r.release(a.out)
	}
}

// publish makes the flow be found; false: another has its key.
func (r *Relay) publish(f *flow) bool {
	if f.stream {
		return r.streams.add(f)
	}
	f.in = r.port(f.key.Local)
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	k := senderOf(f.key.Remote, f.key.Channel)
	if f.in.flows[k] != nil {
		r.release(f.in)
		return false
	}
	if f.in.flows == nil {
		f.in.flows = make(map[sender]*flow, 1)
	}
	f.in.flows[k] = f
	return true
}

func (r *Relay) unpublish(f *flow) {
	if f.stream {
		r.streams.remove(f)
		return
	}
	f.in.mu.Lock()
	delete(f.in.flows, senderOf(f.key.Remote, f.key.Channel))
	f.in.mu.Unlock()
	r.release(f.in)
}

func (r *Relay) at(id relay.FlowID) *flow {
	if int(id) >= len(r.flows) {
		return nil
	}
	return r.flows[id]
}

// freeID returns the lowest free FlowID.
func (r *Relay) freeID() int {
	for r.lowest < len(r.flows) && r.flows[r.lowest] != nil {
		r.lowest++
	}
	return r.lowest
}

func (r *Relay) keep(id int, f *flow) {
	if id == len(r.flows) {
		r.flows = append(r.flows, nil)
	}
	r.flows[id] = f
}
