package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"turnpike.dev/turnpike/perf/lab/clusterlab"
)

// What calls between the sites share: a pipe of so many, of which a part is in use at any time.
const (
	pipeCalls = 1000
	callKbps  = 100
	fullness  = 95 // per cent
	passes    = 50
)

// sharing measures what it costs that four peers share a pipe: how long a call waits for what another peer has idle,
// and how many wait when nearly all is in use.
func (b *bench) sharing(ctx context.Context, calls, rate int) (err error) {
	const nodes = 4
	c, err := clusterlab.New(clusterlab.Options{Nodes: nodes, Extra: 2, Program: b.program, Dir: filepath.Join(b.dir, "pipe"), Metrics: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sites, err := clusterlab.NewSites(c.Star.Hosts[nodes], c.Star.Hosts[nodes+1])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sites.Close()) }()
	file := peersOnly + "sip: {mode: on, udp: 5060}\ndomains: [" + clusterlab.Domain + "]\nbandwidth: {downspeed_per_call: off, downspeed_total: off}\n" +
		sites.Between(fmt.Sprintf("{mode: limited, kbps: %d}", pipeCalls*callKbps))
	if err := c.Form(ctx, file); err != nil {
		return err
	}
	s := &sharing{bench: b, c: c, sites: sites}
	if err := s.fill(ctx); err != nil {
		return err
	}
	if err := s.passOn(ctx); err != nil {
		return err
	}
	return s.exhaust(ctx, calls, rate)
}

type sharing struct {
	*bench
	c     *clusterlab.Cluster
	sites *clusterlab.Sites

	mu       sync.Mutex
	standing []*clusterlab.Call
}

// call sets one up, and says how long that took.
func (s *sharing) call(ctx context.Context, node int) (*clusterlab.Call, time.Duration, error) {
	begin := time.Now()
	call, err := s.sites.Call(ctx, s.c.Star.Addr(node), clusterlab.Wanted{Kbps: callKbps})
	return call, time.Since(begin), err
}

// fill takes the whole pipe through the first node, call by call where one is refused.
func (s *sharing) fill(ctx context.Context) error {
	begin := time.Now()
	err := s.c.Nodes[0].Await(ctx, "the pipe is full", func() error {
		for len(s.standing) < pipeCalls {
			call, _, err := s.call(ctx, 0)
			if err != nil {
				return err
			}
			s.standing = append(s.standing, call)
		}
		return nil
	})
	s.say("a pipe for %d calls filled through one of four peers, one call after the other: %v", pipeCalls, since(begin))
	return err
}

// passOn times calls at a peer for which there is nothing but what another one has just given back.
func (s *sharing) passOn(ctx context.Context) error {
	var here, there []time.Duration
	for i := range 2 * passes {
		last := len(s.standing) - 1
		if err := s.standing[last].End(ctx); err != nil {
			return err
		}
		node, times := 0, &here
		if i%2 == 1 {
			node, times = 1+i/2%(len(s.c.Nodes)-1), &there
		}
		call, took, err := s.call(ctx, node)
		if err != nil {
			return fmt.Errorf("what a peer gave back: %w", err)
		}
		*times = append(*times, took)
		if node == 0 {
			s.standing[last] = call
			continue
		}
		if err := call.End(ctx); err != nil { // and back to the first
			return err
		}
		if s.standing[last], _, err = s.call(ctx, 0); err != nil {
			return err
		}
	}
	s.say("set-up of a call with its peer's own share: median %v; with what another peer has just given back: median %v, p99 %v, longest %v of %d",
		quantile(here, 50), quantile(there, 50), quantile(there, 99), quantile(there, 100), len(there))
	return nil
}

// exhaust has calls come and go at all peers while nearly all is in use.
func (s *sharing) exhaust(ctx context.Context, calls, rate int) error {
	full := pipeCalls * fullness / 100
	for len(s.standing) > full {
		last := len(s.standing) - 1
		if err := s.standing[last].End(ctx); err != nil {
			return err
		}
		s.standing = s.standing[:last]
	}
	if err := s.spread(ctx, rate); err != nil {
		return err
	}
	before, err := s.waited(ctx)
	if err != nil {
		return err
	}
	bytes, begin := s.c.Star.Switch.Between(len(s.c.Nodes)), time.Now()
	took, refused, err := s.turn(ctx, calls, rate)
	if err != nil {
		return err
	}
	lasted := time.Since(begin)
	kib := float64(s.c.Star.Switch.Between(len(s.c.Nodes))-bytes) / 1024 / lasted.Seconds()
	after, err := s.waited(ctx)
	if err != nil {
		return err
	}
	s.say("%d calls over four peers at %d a second while %d of %d are in use: %.0f waited for a peer (%.2f %%), %d refused; set-up median %v, p99 %v; %.1f KiB/s between all peers together",
		calls, int(float64(calls)/lasted.Seconds()), full, pipeCalls, after-before, (after-before)*100/float64(calls), refused, quantile(took, 50), quantile(took, 99), kib)
	return nil
}

// spread has each peer get its part of the calls: all came through one until now.
func (s *sharing) spread(ctx context.Context, rate int) error {
	_, _, err := s.turn(ctx, 2*pipeCalls, rate)
	return err
}

// turn ends one call and begins another at any peer, so many times.
func (s *sharing) turn(ctx context.Context, calls, rate int) (took []time.Duration, refused int, err error) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			d, e := s.replace(ctx)
			s.mu.Lock()
			defer s.mu.Unlock()
			switch {
			case errors.Is(e, clusterlab.ErrRefused):
				refused++
			case e != nil:
				err = errors.Join(err, e)
			default:
				took = append(took, d)
			}
		})
		<-tick.C
	}
	all.Wait()
	return took, refused, err
}

func (s *sharing) replace(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	var old *clusterlab.Call
	if n := len(s.standing); n > 0 {
		i := rand.IntN(n)
		old = s.standing[i]
		s.standing[i] = s.standing[n-1]
		s.standing = s.standing[:n-1]
	}
	s.mu.Unlock()
	if old != nil {
		if err := old.End(ctx); err != nil {
			return 0, err
		}
	}
	call, took, err := s.call(ctx, rand.IntN(len(s.c.Nodes)))
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.standing = append(s.standing, call)
	s.mu.Unlock()
	return took, nil
}

// waited is how many calls have waited for a peer.
func (s *sharing) waited(ctx context.Context) (sum float64, err error) {
	for _, n := range s.c.Nodes {
		of, err := n.Metrics(ctx, "turnpike_sip_call_wait_seconds_count")
		if err != nil {
			return 0, err
		}
		for _, v := range of {
			sum += v
		}
	}
	return sum, nil
}

func quantile(of []time.Duration, per int) time.Duration {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[(len(of)-1)*per/100].Round(time.Millisecond)
}
