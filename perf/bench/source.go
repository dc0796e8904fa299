package main

import (
	"context"
	"errors"
	"runtime"

	"turnpike.dev/turnpike/perf/gen"
)

// source is a loaded generator and the CPU it is to run on.
type source struct {
	*gen.Generator
	flows int
	cpu   int
}

// sourceKey is what the sources of a trial are loaded for.
type sourceKey struct {
	direction       string
	relays, payload int
	first           string // client of the first relay
}

// load loads the generators of a trial, unless the last trial's fit.
func (s *site) load(d demand) error {
	if len(s.relays) == 0 {
		return errors.New("no relays")
	}
	key := sourceKey{d.direction, d.relays, d.payload, s.relays[0].Client.String()}
	if len(s.sources) > 0 && s.sourceKey == key {
		return nil
	}
	if err := s.dropSources(); err != nil {
		return err
	}
	s.sourceKey = key
	if d.direction != twice {
		return s.addSource(d, d.direction, d.cpu)
	}
	return errors.Join(s.addSource(d, up, d.cpu), s.addSource(d, down, (d.cpu+1)%runtime.NumCPU()))
}

func (s *site) addSource(d demand, direction string, cpu int) error {
	flows := s.flows(direction, d.relays)
	g, err := gen.New(gen.Config{Flows: flows, Payload: d.payload, Stamped: true})
	if err != nil {
		return err
	}
	s.sources = append(s.sources, source{g, len(flows), cpu})
	return nil
}

func (s *site) dropSources() error {
	var errs []error
	for _, src := range s.sources {
		errs = append(errs, src.Close())
	}
	s.sources = nil
	return errors.Join(errs...)
}

// send runs the sources at the same time and returns what they sent together.
func (s *site) send(ctx context.Context, d demand) (gen.Result, error) {
	type ended struct {
		gen.Result
		err error
	}
	results := make(chan ended, len(s.sources))
	for _, src := range s.sources {
		go func() {
			r, err := src.Run(ctx, gen.Load{
				Rate: d.rate / float64(len(s.sources)), Duration: d.duration, CPU: src.cpu, Burst: d.burst,
			})
			results <- ended{r, err}
		}()
	}
	var all gen.Result
	var errs []error
	for range s.sources {
		r := <-results
		all.Sent += r.Sent
		all.Core += r.Core
		all.Elapsed, all.Late = max(all.Elapsed, r.Elapsed), max(all.Late, r.Late)
		errs = append(errs, r.err)
	}
	return all, errors.Join(errs...)
}
