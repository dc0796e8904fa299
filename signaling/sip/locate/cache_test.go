package locate

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestAnswersHoldAsLongAsTheySay(t *testing.T) {
	s := newServer(t, "a.test. 60 IN A 192.0.2.1", "brief.test. 0 IN A 192.0.2.2", "long.test. 604800 IN A 192.0.2.3")
	now := time.Now()
	r := resolver(s, func(c *Config) { c.Now = func() time.Time { return now }; c.IPv4 = true })
	steps := []struct {
		name  string
		after time.Duration // since the step before
		host  string
		asked int // in all
	}{
		{"first", 0, "a.test", 1},
		{"it holds", 59 * time.Second, "a.test", 1},
		{"it has run out", time.Second, "a.test", 2},
		{"no time to live", 0, "brief.test", 1},
		{"is kept a moment all the same", 4 * time.Second, "brief.test", 1},
		{"and then asked again", time.Second, "brief.test", 2},
		{"a week", 0, "long.test", 1},
		{"is kept an hour", 59 * time.Minute, "long.test", 1},
		{"and no longer", time.Minute, "long.test", 2},
		{"nobody", 0, "nobody.test", 1},
		{"is remembered too", 29 * time.Second, "nobody.test", 1},
		{"as long as the zone says", time.Second, "nobody.test", 2},
	}
	for _, step := range steps {
		now = now.Add(step.after)
		_, err := r.Addresses(t.Context(), step.host)
		if err != nil && step.host != "nobody.test" {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n := s.count(step.host+".", dns.TypeA); n != step.asked {
			t.Errorf("%s: asked %d times, want %d", step.name, n, step.asked)
		}
	}
	r.Use(Config{Servers: r.using.Load().servers, IPv4: true})
	if _, _ = r.Addresses(t.Context(), "a.test"); s.count("a.test.", dns.TypeA) != 3 {
		t.Error("a change of servers did not forget what the old ones said")
	}
}

func TestManyAskOnce(t *testing.T) {
	s := newServer(t, "a.test. 60 IN A 192.0.2.1")
	r := resolver(s, func(c *Config) { c.IPv4 = true })
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if got, err := r.Addresses(t.Context(), "A.test"); err != nil || len(got) != 1 {
				t.Errorf("got %v, error %v", got, err)
			}
		})
	}
	wait.Wait()
	if n := s.count("a.test.", dns.TypeA); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	s := newServer(t)
	r := resolver(s, func(c *Config) { c.IPv4 = true; c.Limits.Cached = 8 })
	for i := range 50 {
		_, _ = r.Addresses(t.Context(), fmt.Sprintf("h%d.test", i))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) > 8 {
		t.Errorf("%d answers are kept", len(r.entries))
	}
}

func TestQuestionsUnderWayAreBounded(t *testing.T) {
	s := newServer(t)
	s.set(func() { s.hold = make(chan struct{}) })
	r := resolver(s, func(c *Config) { c.IPv4 = true; c.Limits.InFlight = 4 })
	var wait sync.WaitGroup
	for i := range 4 {
		q := question{fmt.Sprintf("h%d.test.", i), dns.TypeA}
		if _, err := r.enter(q); err != nil {
			t.Fatal(err)
		}
		wait.Go(func() { _, _ = r.ask(t.Context(), q) })
	}
	if _, err := r.Addresses(t.Context(), "one.more.test"); !errors.Is(err, ErrBusy) {
		t.Errorf("got error %v", err)
	}
	close(s.hold)
	wait.Wait()
	if _, err := r.Addresses(t.Context(), "one.more.test"); !errors.Is(err, ErrNotFound) {
		t.Errorf("afterwards: %v", err)
	}
}
