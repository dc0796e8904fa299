package turn

import (
	"math/rand/v2"
	"time"
)

// portRest is how long a freed port is left alone while others are free: late
// datagrams of its last user must not meet the next one.
const portRest = 30 * time.Second

// ports hands out the relay ports of one address at random (RFC 8656 section 7.2).
type ports struct {
	min     uint16
	free    []uint16
	slot    []int32 // index in free by port-min; -1: not in it
	resting []restingPort
}

type restingPort struct {
	port  uint16
	until time.Time
}

func newPorts(low, high uint16) *ports {
	n := int(high) - int(low) + 1
	p := &ports{min: low, free: make([]uint16, 0, n), slot: make([]int32, n)}
	for i := range n {
		p.push(low + uint16(i))
	}
	return p
}

func (p *ports) push(port uint16) {
	p.slot[port-p.min] = int32(len(p.free))
	p.free = append(p.free, port)
}

// take takes this port; false: it is not free.
func (p *ports) take(port uint16) bool {
	if !p.has(port) {
		return false
	}
	at, last := p.slot[port-p.min], p.free[len(p.free)-1]
	p.free[at], p.slot[last-p.min] = last, at
	p.free, p.slot[port-p.min] = p.free[:len(p.free)-1], -1
	return true
}

func (p *ports) has(port uint16) bool {
	i := int(port) - int(p.min)
	return i >= 0 && i < len(p.slot) && p.slot[i] >= 0
}

// any takes a random port; ok is false when there is none.
func (p *ports) any(now time.Time) (port uint16, ok bool) {
	p.wake(now, 1)
	if len(p.free) == 0 {
		return 0, false
	}
	port = p.free[rand.IntN(len(p.free))]
	return port, p.take(port)
}

// even takes a random even port; with pair the next higher one must be free too,
// and is taken as well (RFC 8656 section 7.2, EVEN-PORT).
func (p *ports) even(pair bool, now time.Time) (port uint16, ok bool) {
	p.wake(now, 0)
	if port, ok = p.findEven(pair); !ok {
		p.wake(now, len(p.resting))
		port, ok = p.findEven(pair)
	}
	if !ok {
		return 0, false
	}
	if pair {
		p.take(port + 1)
	}
	return port, p.take(port)
}

func (p *ports) findEven(pair bool) (uint16, bool) {
	n := len(p.free)
	if n == 0 {
		return 0, false
	}
	for i, from := 0, rand.IntN(n); i < n; i++ {
		port := p.free[(from+i)%n]
		if port%2 == 0 && (!pair || port != 65535 && p.has(port+1)) {
			return port, true
		}
	}
	return 0, false
}

// put gives a port back; it rests first.
func (p *ports) put(port uint16, now time.Time) {
	p.resting = append(p.resting, restingPort{port, now.Add(portRest)})
}

// wake frees the ports that rested long enough, and earlier ones until at least
// atLeast ports are free.
func (p *ports) wake(now time.Time, atLeast int) {
	n := 0
	for n < len(p.resting) && (!now.Before(p.resting[n].until) || len(p.free) < atLeast) {
		p.push(p.resting[n].port)
		n++
	}
	p.resting = p.resting[n:]
}
