package admission

import "sync"

// Grant is what a call has taken. Its methods may be called from any goroutine.
type Grant struct {
	admission *Admission

	mu  sync.Mutex
	has []Amount
}

// Change replaces what the call has by another demand: a re-INVITE that asks for more or
// less, a call that turned out to be audio only, another way. What is more is taken first,
// and if that fails nothing has changed; what is less is given back then.
func (g *Grant) Change(demand []Amount) (short *Counter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if short := g.admission.takeAll(beyond(demand, g.has)); short != nil {
		return short
	}
	giveAll(beyond(g.has, demand))
	g.has = demand
	return nil
}

// beyond returns what a has more than b.
func beyond(a, b []Amount) []Amount {
	out := make([]Amount, 0, len(a))
	for _, x := range a {
		if n := of(b, x.Of); x.N > n {
			out = append(out, Amount{x.Of, x.N - n})
		}
	}
	return out
}

func of(amounts []Amount, c *Counter) uint32 {
	for _, x := range amounts {
		if x.Of == c {
			return x.N
		}
	}
	return 0
}

// Release gives everything back. Later calls do nothing.
func (g *Grant) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	giveAll(g.has)
	g.has = nil
}

// Has returns what the call has.
func (g *Grant) Has() []Amount {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.has
}
