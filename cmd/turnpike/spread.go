package main

import (
	"sync"

	"turnpike.dev/turnpike/dataplane/xdp"
)

// spread counts how packets were spread over queues since the node's start. What the
// kernel's back end tells may fall, a counter must not.
type spread struct {
	mu   sync.Mutex
	last map[string]xdp.Spread
	sums map[string]xdp.Spread
}

// queueCounter is what a spread is made of.
type queueCounter interface{ Queues() []xdp.Spread }

// since adds what came since it was last asked, and returns the sums.
func (s *spread) since(kernel *xdp.Backend) []xdp.Spread {
	if kernel == nil {
		return nil
	}
	return s.add(kernel)
}

func (s *spread) add(from queueCounter) []xdp.Spread {
	now := from.Queues()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last, s.sums = map[string]xdp.Spread{}, map[string]xdp.Spread{}
		for _, q := range now {
			s.last[q.Interface] = q // what was counted before the first look is not the node's
		}
	}
	all := make([]xdp.Spread, 0, len(now))
	for _, q := range now {
		sum := q.Since(s.last[q.Interface])
		if before := s.sums[q.Interface]; before.Over == q.Over {
			for i, n := range before.Packets[:min(len(before.Packets), len(sum.Packets))] {
				sum.Packets[i] += n
			}
		}
		s.last[q.Interface], s.sums[q.Interface] = q, sum
		all = append(all, sum)
	}
	return all
}
