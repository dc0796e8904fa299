package neighbours

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How names of peers are looked up. The resolver remembers answers for as long as they
// hold: asking it often costs nothing.
const (
	again     = 30 * time.Second
	lookUps   = 8 // at a time
	lookUpFor = 10 * time.Second
)

// resolve looks the names of peers up, now and again, until ctx ends.
func (n *Neighbours) resolve(ctx context.Context) {
	ticker := time.NewTicker(again)
	defer ticker.Stop()
	for {
		n.lookUp(ctx)
		n.sweep(time.Now())
		select {
		case <-ticker.C:
		case <-n.changed:
		case <-ctx.Done():
			return
		}
	}
}

// lookUp asks for every name once. A name that cannot be found now keeps the addresses
// that it had: they are better than none.
func (n *Neighbours) lookUp(ctx context.Context) {
	names := n.now.Load().names()
	found := make(map[string][]netip.Addr, len(names))
	var mu sync.Mutex
	var wait sync.WaitGroup
	room := make(chan struct{}, lookUps)
	for _, name := range names {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			ctx, cancel := context.WithTimeout(ctx, lookUpFor)
			defer cancel()
			addrs, err := n.deps.Names.Addresses(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				found[name] = addrs
			}
		})
	}
	wait.Wait()
	n.learn(names, found)
}

// names returns the hosts of peers that are names, each once.
func (t *table) names() []string {
	seen := map[string]bool{}
	for _, l := range t.lines {
		for _, p := range l.peers {
			if _, err := netip.ParseAddr(p.key.host); err != nil {
				seen[p.key.host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// learn puts what was found in force, if it is new.
func (n *Neighbours) learn(names []string, found map[string][]netip.Addr) {
	n.mu.Lock()
	next := map[string][]netip.Addr{}
	for _, name := range names {
		addrs, ok := found[name]
		if !ok {
			addrs = n.resolved[name]
		}
		if len(addrs) > 0 {
			next[name] = addrs
		}
	}
	if maps.EqualFunc(n.resolved, next, slices.Equal) {
		n.tend() // what a shard had no room for
		n.mu.Unlock()
		return
	}
	n.resolved = next
	n.rebuild()
	n.mu.Unlock()
	if n.deps.Resolved != nil {
		n.deps.Resolved(maps.Clone(next))
	}
}
