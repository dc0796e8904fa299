package rtp

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// portRest is how long a freed pair of ports is left alone while others are free: late
// packets of the old call must not meet the next one.
const portRest = 30 * time.Second

// ports hands out pairs of ports at random: an even one for RTP and the next for RTCP
// (RFC 3550 section 11). A number is used once, whatever the address: the kernel's gate
// knows ports by their number alone.
type ports struct {
	free    []uint16 // the even ones
	resting []restingPort
	taken   int
}

type restingPort struct {
	port  uint16
	until time.Time
}

func newPorts(first, last uint16) (*ports, error) {
	if first < 1024 || last <= first {
		return nil, fmt.Errorf("media ports %d–%d: give a range of at least two ports above 1023", first, last)
	}
	p := &ports{}
	for n := int(first) + int(first)%2; n+1 <= int(last); n += 2 {
		p.free = append(p.free, uint16(n))
	}
	if len(p.free) == 0 {
		return nil, fmt.Errorf("media ports %d–%d: there is no even port with an odd one after it", first, last)
	}
	return p, nil
}

// take returns an even port that is, with the next one, the caller's until put.
func (p *ports) take(now time.Time) (uint16, error) {
	p.wake(now)
	if len(p.free) == 0 {
		return 0, ErrNoPorts
	}
	at, end := rand.IntN(len(p.free)), len(p.free)-1
	port := p.free[at]
	p.free[at] = p.free[end]
	p.free = p.free[:end]
	p.taken++
	return port, nil
}

// put gives a pair back; it rests first.
func (p *ports) put(port uint16, now time.Time) {
	p.taken--
	p.resting = append(p.resting, restingPort{port, now.Add(portRest)})
}

// wake frees the pairs that rested long enough, and the first to come when none is free.
func (p *ports) wake(now time.Time) {
	n := 0
	for n < len(p.resting) && (!now.Before(p.resting[n].until) || len(p.free) == 0) {
		p.free = append(p.free, p.resting[n].port)
		n++
	}
	p.resting = p.resting[n:]
}
