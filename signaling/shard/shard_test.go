package shard

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a group until the test ends.
func start(t testing.TB, g *Group) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = g.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// on runs f on a shard and waits for it.
func on(s *Shard, f func()) {
	done := make(chan struct{})
	if !s.Post(func() { defer close(done); f() }) {
		panic("the shard took nothing")
	}
	<-done
}

func TestPostKeepsTheOrderOfEachSender(t *testing.T) {
	g := NewGroup(3)
	start(t, g)
	var senders sync.WaitGroup
	got := make([][]int, 5)
	for sender := range got {
		senders.Go(func() {
			s := g.Of("call " + strconv.Itoa(sender))
			for i := range 1000 {
				s.Post(func() { got[sender] = append(got[sender], i) })
			}
			on(s, func() {})
		})
	}
	senders.Wait()
	for sender, list := range got {
		if len(list) != 1000 || !slices.IsSorted(list) {
			t.Errorf("sender %d: %d functions ran, sorted: %v", sender, len(list), slices.IsSorted(list))
		}
	}
}

func TestAKeyHasOneShard(t *testing.T) {
	g := NewGroup(4)
	used := map[*Shard]int{}
	for i := range 4000 {
		key := "call-" + strconv.Itoa(i)
		s := g.Of(key)
		if g.Of(key) != s {
			t.Fatal("a key moved")
		}
		used[s]++
	}
	for s, n := range used {
		if n < 800 || n > 1200 {
			t.Errorf("shard %d has %d of 4000 keys", s.Index(), n)
		}
	}
}

func TestAMailboxIsBounded(t *testing.T) {
	g := NewGroup(1, Room(8))
	s := g.All()[0]
	offered, posted := 0, 0
	for range 20 {
		if s.Offer(func() {}) {
			offered++
		}
	}
	for range 20 {
		if s.Post(func() {}) {
			posted++
		}
	}
	if offered != 6 || posted != 2 {
		t.Errorf("took %d from the wire and %d of its own, want 6 and 2", offered, posted)
	}
	if got := g.Stats(); got.Waiting != 8 || got.Refused != 14+18 {
		t.Errorf("stats %+v", got)
	}
}

func TestAPanicEndsOneFunction(t *testing.T) {
	var told []any
	g := NewGroup(1, Panicked(func(reason any) { told = append(told, reason) }))
	start(t, g)
	s := g.All()[0]
	s.Post(func() { panic("a bug") })
	on(s, func() { s.After(0, func() { panic("another") }) })
	fired := make(chan struct{})
	on(s, func() { s.After(Tick, func() { close(fired) }) })
	<-fired
	on(s, func() {
		if diff := cmp.Diff([]any{"a bug", "another"}, told); diff != "" {
			t.Error(diff)
		}
	})
	if got := g.Stats().Panics; got != 2 {
		t.Errorf("%d panics", got)
	}
}

func TestAnEndedShardTakesNothing(t *testing.T) {
	g := NewGroup(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if g.All()[0].Post(func() { t.Error("it ran") }) {
		t.Error("it was taken")
	}
}

func TestTimersFireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(1)
		start(t, g)
		s := g.All()[0]
		began := time.Now()
		var got []time.Duration
		on(s, func() {
			for _, d := range []time.Duration{0, 500 * time.Millisecond, 32 * time.Second, 30 * time.Minute, 15 * time.Millisecond, 41 * time.Second} {
				s.After(d, func() { got = append(got, s.Now().Sub(began)) })
			}
			stopped := s.After(time.Second, func() { t.Error("a stopped timer fired") })
			if !stopped.Stop() || stopped.Stop() {
				t.Error("Stop reports the wrong thing")
			}
			moved := s.After(time.Second, func() { got = append(got, s.Now().Sub(began)) })
			moved.Reset(2 * time.Second)
		})
		time.Sleep(time.Hour)
		want := []time.Duration{
			Tick, 20 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 32 * time.Second, 41 * time.Second, 30 * time.Minute,
		}
		on(s, func() {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		if n := g.Stats().Timers; n != 0 {
			t.Errorf("%d timers are left", n)
		}
	})
}

// A wheel fires what a list of times would, whatever is set, stopped and moved.
func TestWheelAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1e9, 0)
		w := newWheel(now)
		type entry struct {
			timer *Timer
			when  time.Time
		}
		var model []entry
		s := &Shard{}
		delay := rapid.Int64Range(0, int64(3*time.Minute))
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				e := entry{&Timer{shard: s}, now.Add(time.Duration(delay.Draw(t, "delay")))}
				w.add(e.timer, e.when)
				model = append(model, e)
			},
			"stop": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("nothing to stop")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				w.remove(model[i].timer)
				model = slices.Delete(model, i, i+1)
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(delay.Draw(t, "time")))
				fired := map[*Timer]bool{}
				for due := w.due(now); due != nil; due = w.due(now) {
					fired[due] = true
				}
				model = slices.DeleteFunc(model, func(e entry) bool {
					late := now.Sub(e.when)
					if fired[e.timer] && late < 0 {
						t.Fatalf("fired %v early", -late)
					}
					if !fired[e.timer] && late >= 2*Tick {
						t.Fatalf("not fired %v late", late)
					}
					return fired[e.timer]
				})
			},
			"": func(t *rapid.T) {
				if int(w.count.Load()) != len(model) {
					t.Fatalf("%d timers, want %d", w.count.Load(), len(model))
				}
				next, any := w.next()
				if any != (len(model) > 0) {
					t.Fatalf("next says %v with %d timers", any, len(model))
				}
				for _, e := range model {
					if next.After(e.when.Add(2 * Tick)) {
						t.Fatalf("would sleep until %v, a timer is due at %v", next, e.when)
					}
				}
			},
		})
	})
}

// Measures a function posted from another goroutine; what it does is not in it.
func BenchmarkPost(b *testing.B) {
	g := NewGroup(1)
	start(b, g)
	s := g.All()[0]
	b.ReportAllocs()
	for b.Loop() {
		for !s.Post(func() {}) {
			runtime.Gosched()
		}
	}
}

// Measures a timer that is set and stopped, as most of those of transactions are.
func BenchmarkTimer(b *testing.B) {
	s := NewGroup(1).All()[0]
	b.ReportAllocs()
	for b.Loop() {
		s.After(32*time.Second, func() {}).Stop()
	}
}
