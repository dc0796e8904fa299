package patience

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"turnpike.dev/turnpike/control/calls"
	"turnpike.dev/turnpike/control/resources"
	"turnpike.dev/turnpike/signaling/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short is why somebody waits.
var short = &resources.Refusal{Why: resources.NoLicence, Waits: &resources.Shortage{}}

// lender keeps those who wait.
type lender struct {
	since []time.Time
	again []func()
	full  bool
}

func (l *lender) await(w *resources.Waiter, _ *resources.Shortage, again func()) bool {
	if l.full {
		return false
	}
	if w.Since.IsZero() {
		w.Since = time.Now().Add(-w.Waited)
	}
	l.since, l.again = append(l.since, w.Since), append(l.again, again)
	return true
}

// on runs a test on a shard in a bubble: f is posted to it, then what it returns is run outside.
func on(t *testing.T, f func(t *testing.T, do func(func(s *shard.Shard)))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := shard.NewGroup(1)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = g.Run(ctx) })
		f(t, func(do func(*shard.Shard)) {
			s := g.All()[0]
			s.Post(func() { do(s) })
			synctest.Wait()
		})
		if n := g.Stats().Timers; n != 0 {
			t.Errorf("%d timers are left", n)
		}
		cancel()
		running.Wait()
	})
}

// LI-06: who is held is called once, whether the cluster does or nobody can; since when it waits stays the same.
func TestHold(t *testing.T) {
	on(t, func(t *testing.T, do func(func(*shard.Shard))) {
		l := &lender{}
		p, w, called := New(l.await), &Wait{}, 0
		hold := func(s *shard.Shard) {
			if !p.Hold(w, s, short, func() { called++ }) || !w.Waits() {
				t.Error("not held")
			}
		}
		do(hold)
		time.Sleep(200 * time.Millisecond)
		l.again[0]()
		l.again[0]()
		synctest.Wait()
		if called != 1 || w.Waits() {
			t.Errorf("called %d times", called)
		}
		do(hold)
		if l.since[0] != l.since[1] {
			t.Errorf("it waits since %v", l.since)
		}
		l.again[0]() // of before
		synctest.Wait()
		time.Sleep(longest + time.Second) // nobody calls
		synctest.Wait()
		if called != 2 {
			t.Errorf("called %d times", called)
		}
		l.full = true
		do(func(s *shard.Shard) {
			if p.Hold(w, s, short, func() {}) || w.Waits() {
				t.Error("held")
			}
			p.Over(w, Less)
			p.Over(w, Refused) // it is over
		})
		l.full = false
		do(hold)
		if l.since[2] == l.since[0] {
			t.Error("another request waits since the first one did")
		}
		do(func(*shard.Shard) { p.Over(w, GivenUp) })
		l.again[2]()
		synctest.Wait()
		time.Sleep(longest + time.Second)
		synctest.Wait()
		if called != 2 {
			t.Error("called though it was given up")
		}
		want := Stats{
			Ended: map[string]uint64{"given": 0, "less": 1, "refused": 0, "given_up": 1},
			Time:  calls.Histogram{Buckets: map[float64]uint64{0.1: 1, 0.25: 1, 0.5: 1, 1: 1, 1.5: 1, 6: 1}, Count: 2, Sum: 8.2},
		}
		if diff := cmp.Diff(want, p.Stats()); diff != "" {
			t.Error(diff)
		}
	})
}

// What another peer held a request for shortens this request's wait alone.
func TestContinue(t *testing.T) {
	on(t, func(t *testing.T, do func(func(*shard.Shard))) {
		l := &lender{}
		p := New(l.await)
		for name, over := range map[string]bool{"it waits here": false, "another one does": true} {
			w := Continue(200 * time.Millisecond)
			time.Sleep(300 * time.Millisecond) // until its place is found, which is no waiting
			do(func(s *shard.Shard) {
				want := 200 * time.Millisecond
				if over {
					want = 0
					if got := p.Over(&w, Given); got != 0 {
						t.Errorf("%s: it has waited %s here", name, got)
					}
				}
				p.Hold(&w, s, short, func() {})
				if got := time.Since(l.since[len(l.since)-1]); got != want {
					t.Errorf("%s: it asked %s ago", name, got)
				}
				p.Over(&w, GivenUp)
			})
		}
		if got := p.Stats().Time.Sum; got != 0 {
			t.Errorf("they waited %v s here", got)
		}
	})
}

// A node on its own lets nobody wait.
func TestNobodyWaits(t *testing.T) {
	var p *Patience
	var w Wait
	if p.Hold(&w, nil, short, nil) || w.Waits() {
		t.Error("held")
	}
	p.Over(&w, Given)
	if s := p.Stats(); s.Time.Count != 0 || len(s.Ended) != int(outcomes) {
		t.Errorf("%+v", s)
	}
}
