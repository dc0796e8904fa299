package turn

import (
	"container/heap"
	"time"
)

// keep makes a new allocation part of the server's state.
func (s *Server) keep(a *allocation, now time.Time) {
	s.nextID++
	a.id = s.nextID
	s.enter(a, now)
	s.record(a)
}

// enter adds an allocation that has its id.
func (s *Server) enter(a *allocation, now time.Time) {
	s.allocations[a.tuple] = a
	s.byID[a.id] = a
	s.held[a.account.person]++
	s.seated(a.conn)
	a.wake = a.nextWake(now)
	heap.Push(&s.wakes, a)
	s.rearm(a.wake)
}

// settle brings journal and timer up to date after a change, and ends the
// allocation when it has no relayed address left.
func (s *Server) settle(a *allocation, why string, now time.Time) {
	if a.relays[ipv4] == nil && a.relays[ipv6] == nil {
		s.forget(a, why)
		return
	}
	s.record(a)
	s.sleep(a, now)
}

// sleep sets when the timer looks at the allocation again.
func (s *Server) sleep(a *allocation, now time.Time) {
	a.wake = a.nextWake(now)
	heap.Fix(&s.wakes, a.heapSlot)
	s.rearm(a.wake)
}

// end ends the allocation with all that belongs to it.
func (s *Server) end(a *allocation, why string) {
	for f := range families {
		s.endRelay(a, f)
	}
	s.forget(a, why)
}

// forget removes an allocation whose relayed addresses are gone.
func (s *Server) forget(a *allocation, why string) {
	delete(s.allocations, a.tuple)
	delete(s.byID, a.id)
	if s.held[a.account.person]--; s.held[a.account.person] == 0 {
		delete(s.held, a.account.person)
	}
	s.left(a.conn)
	heap.Remove(&s.wakes, a.heapSlot)
	s.recordGone(a)
	s.event("TURN allocation ended", append(a.fields(), "Detail", why)...)
}

// endRelay stops relaying for the relayed address and gives up its port.
func (s *Server) endRelay(a *allocation, f family) {
	x := a.relays[f]
	if x == nil {
		return
	}
	a.relays[f] = nil
	x.owner = nil
	for i := range x.channels {
		s.removePair(x, &x.channels[i])
	}
	for _, p := range x.permissions {
		s.failed(s.gate.Revoke(x.local, p.peer), "revoke permission", x.local)
	}
	s.release(x)
}

// release closes port and socket of a relayed address nothing is relayed for. The
// port is free again when the socket is closed, which happens outside the lock.
func (s *Server) release(x *relayed) {
	s.failed(s.gate.ClosePort(x.local), "close port", x.local)
	s.closing = append(s.closing, closing{sock: x.sock, local: x.local})
	s.relays--
	s.cfg.Capacity.Give(1)
	if s.perPort[x.listener]--; s.perPort[x.listener] == 0 {
		delete(s.perPort, x.listener)
	}
}

// lookup returns the client's allocation; one that is over is ended first, so that
// a late timer makes no difference.
func (s *Server) lookup(t fiveTuple, now time.Time) *allocation {
	a := s.allocations[t]
	if a == nil || a.live(now) {
		return a
	}
	s.end(a, "expired")
	return nil
}

// expire ends what of the allocation is over.
func (s *Server) expire(a *allocation, now time.Time) {
	for f, x := range a.relays {
		switch {
		case x == nil:
		case !now.Before(x.expires):
			s.endRelay(a, family(f))
		default:
			s.expireWithin(a, x, now)
		}
	}
	if a.relays[ipv4] == nil && a.relays[ipv6] == nil {
		s.forget(a, "expired")
		return
	}
	s.sleep(a, now)
}

func (s *Server) expireWithin(a *allocation, x *relayed, now time.Time) {
	for i := len(x.permissions) - 1; i >= 0; i-- {
		if !now.Before(x.permissions[i].expires) {
			s.forbid(a, x, i, now)
		}
	}
	for i := range x.channels {
		if c := &x.channels[i]; !c.live(now) {
			s.removePair(x, c)
		}
	}
	x.dropQuiet(now)
}
