package endtoend_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"turnpike.dev/turnpike/perf/gen"
)

// traffic is media through some sites, from one generator.
type traffic struct {
	sites   []*site
	order   []place // of each of the generator's flows
	gen     *gen.Generator
	stop    context.CancelFunc
	ended   chan struct{}
	err     error
	sent    atomic.Uint64
	elapsed time.Duration
}

// place is where one of the generator's flows belongs.
type place struct{ site, flow int }

// startTraffic sends at a rate for each site until it is stopped.
func startTraffic(t *testing.T, rate float64, sites ...*site) *traffic {
	t.Helper()
	tr := &traffic{sites: sites, ended: make(chan struct{})}
	flows := tr.mix()
	var err error
	if tr.gen, err = gen.New(gen.Config{Flows: flows, Payload: 172}); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, tr.stop = context.WithCancel(context.Background())
	go func() {
		defer close(tr.ended)
		tr.err = tr.send(ctx, rate*float64(len(sites)))
	}()
	t.Cleanup(func() {
		tr.stop()
		<-tr.ended
		_ = tr.gen.Close()
	})
	return tr
}

// rate is how many packets per second were sent.
func (tr *traffic) rate() float64 { return float64(tr.sent.Load()) / tr.elapsed.Seconds() }

func (tr *traffic) send(ctx context.Context, rate float64) error {
	begun := time.Now()
	defer func() { tr.elapsed = time.Since(begun) }()
	return tr.gen.Steady(ctx, rate, 1, func(packets uint64) { tr.sent.Add(packets) })
}

// mix has the sites take turns: the generator's frames come in bunches.
func (tr *traffic) mix() []gen.Flow {
	var all []gen.Flow
	own := make([][]gen.Flow, len(tr.sites))
	most := 0
	for i, s := range tr.sites {
		own[i] = s.flows()
		most = max(most, len(own[i]))
	}
	for f := range most {
		for i := range own {
			if f < len(own[i]) {
				all = append(all, own[i][f])
				tr.order = append(tr.order, place{i, f})
			}
		}
	}
	return all
}

// end stops the generator and returns what it sent of each flow of each site.
func (tr *traffic) end(t *testing.T) [][]uint64 {
	t.Helper()
	tr.stop()
	<-tr.ended
	if tr.err != nil {
		t.Fatal(tr.err)
	}
	sent, total := make([][]uint64, len(tr.sites)), tr.sent.Load()
	for i, p := range tr.order {
		n := total / uint64(len(tr.order))
		if uint64(i) < total%uint64(len(tr.order)) {
			n++
		}
		sent[p.site] = append(sent[p.site], n)
	}
	return sent
}
