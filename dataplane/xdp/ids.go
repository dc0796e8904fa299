package xdp

import (
	"container/heap"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/dataplane/relay"
)

// ids hands out the numbers of flows, the lowest first, and keeps a number back
// until no packet can still be using its slot.
//
// The kernel's grace periods are counted: a packet that was under way when grace
// period n had not begun is gone when n is over.
type ids struct {
	free    freeIDs
	resting []restingID
	next    uint32 // numbers from here on were never used
	limit   uint32
	grace   uint64 // grace periods that are over
	// inherited are numbers that flows of an earlier process use, until the sweep.
	inherited []uint32
}

type restingID struct {
	id    uint32
	grace uint64 // free when this many are over
}

type freeIDs []uint32

func (f freeIDs) Len() int           { return len(f) }
func (f freeIDs) Less(i, j int) bool { return f[i] < f[j] }
func (f freeIDs) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// Push and Pop are for container/heap.
func (f *freeIDs) Push(x any) { *f = append(*f, x.(uint32)) }

// Pop takes the last.
func (f *freeIDs) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

// take returns an unused number. When only resting ones are left it waits for a
// grace period (some 20 ms).
func (i *ids) take() (uint32, error) {
	if i.free.Len() == 0 && i.next == i.limit && len(i.resting) > 0 {
		i.waitGrace()
	}
	if i.free.Len() > 0 {
		return heap.Pop(&i.free).(uint32), nil
	}
	if i.next == i.limit {
		return 0, relay.ErrFull
	}
	i.next++
	return i.next - 1, nil
}

// reserve marks a number as used that an earlier process gave to a flow. Numbers
// come in ascending order.
func (i *ids) reserve(id uint32) {
	for ; i.next <= id; i.next++ {
		if i.next != id {
			heap.Push(&i.free, i.next)
		}
	}
}

// inherit keeps numbers above 0 that an earlier process's flows use from being given out.
// They come in ascending order.
func (i *ids) inherit(numbers []uint32) {
	for _, n := range numbers {
		if n > 0 {
			i.reserve(n)
			i.inherited = append(i.inherited, n)
		}
	}
}

// disinherit gives the inherited numbers back when no slot has them any more.
func (i *ids) disinherit() {
	for _, n := range i.inherited {
		i.rest(n)
	}
	i.inherited = nil
}

// rest gives a number back, to be used again after a grace period.
func (i *ids) rest(id uint32) {
	i.resting = append(i.resting, restingID{id, i.grace + 1})
	if len(i.resting) >= restBatch && uint32(len(i.resting)) > (i.limit-i.next)/2 {
		i.waitGrace()
	}
}

// restBatch is how many numbers are worth one grace period.
const restBatch = 1024

// waitGrace returns when no packet is under way that was so at the call.
func (i *ids) waitGrace() {
	gracePeriod()
	i.grace++
	for _, r := range i.resting {
		heap.Push(&i.free, r.id)
	}
	i.resting = i.resting[:0]
}

// gracePeriod waits until each program run that was under way has ended:
// membarrier's global command is the kernel's synchronize_rcu (membarrier(2)). A kernel
// with CPUs set apart (nohz_full) refuses it; there, time must do: a run takes
// microseconds and nothing preempts it.
func gracePeriod() {
	const membarrierCmdGlobal = 1
	for {
		_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierCmdGlobal, 0, 0)
		switch errno {
		case 0:
			return
		case syscall.EINTR:
		default:
			time.Sleep(graceWithoutMembarrier)
			return
		}
	}
}

const graceWithoutMembarrier = 100 * time.Millisecond
