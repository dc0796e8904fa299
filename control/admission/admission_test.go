package admission_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"turnpike.dev/turnpike/control/admission"
)

// shorts remembers what was short.
type shorts struct {
	mu   sync.Mutex
	want []string
}

func (s *shorts) Short(c *admission.Counter, n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = append(s.want, fmt.Sprint(c.Name(), " ", n))
}

func used(c *admission.Counter) uint32 {
	_, n := c.Read()
	return n
}

func TestAllOrNothing(t *testing.T) {
	capacity, licence, pipe := admission.NewCounter("capacity", 10), admission.NewCounter("licence", 4), admission.NewCounter("pipe", 1000)
	var told shorts
	a := admission.New(&told)
	demand := func(kbps uint32) []admission.Amount {
		return []admission.Amount{{capacity, 2}, {licence, 2}, {pipe, kbps}}
	}
	first, short := a.Admit(demand(600))
	if short != nil {
		t.Fatalf("short of %s", short.Name())
	}
	if _, short := a.Admit(demand(600)); short != pipe {
		t.Fatalf("short of %v, want the pipe", short)
	}
	if used(capacity) != 2 || used(licence) != 2 || used(pipe) != 600 {
		t.Errorf("a refused call left %d, %d, %d", used(capacity), used(licence), used(pipe))
	}
	if diff := cmp.Diff([]string{"pipe 600"}, told.want); diff != "" {
		t.Error(diff)
	}
	first.Release()
	first.Release()
	if used(capacity)+used(licence)+used(pipe) != 0 {
		t.Error("something is left when the call has ended")
	}
}

func TestChange(t *testing.T) {
	licence, pipe, other := admission.NewCounter("licence", 4), admission.NewCounter("pipe", 1000), admission.NewCounter("other", 1000)
	a := admission.New(nil)
	g, _ := a.Admit([]admission.Amount{{licence, 2}, {pipe, 600}})
	for name, tc := range map[string]struct {
		demand []admission.Amount
		short  *admission.Counter
	}{
		"more than there is":   {[]admission.Amount{{licence, 2}, {pipe, 1100}}, pipe},
		"one more, one not":    {[]admission.Amount{{licence, 3}, {pipe, 1100}}, pipe},
		"another that is full": {[]admission.Amount{{other, 1100}}, other},
	} {
		t.Run(name, func(t *testing.T) {
			if short := g.Change(tc.demand); short != tc.short {
				t.Errorf("short of %v", short)
			}
			if used(licence) != 2 || used(pipe) != 600 || used(other) != 0 {
				t.Errorf("a refused change left %d, %d, %d", used(licence), used(pipe), used(other))
			}
		})
	}
	if short := g.Change([]admission.Amount{{other, 900}, {licence, 1}}); short != nil {
		t.Fatalf("short of %s", short.Name())
	}
	if used(licence) != 1 || used(pipe) != 0 || used(other) != 900 {
		t.Errorf("the change left %d, %d, %d", used(licence), used(pipe), used(other))
	}
}

func TestCeilings(t *testing.T) {
	c := admission.NewCounter("pipe", 10)
	g, _ := admission.New(nil).Admit([]admission.Amount{{c, 6}})
	if got := c.Shrink(4); got != 6 {
		t.Errorf("shrunk to %d, but 6 are in use", got)
	}
	c.Grow(math.MaxUint32)
	if ceiling, _ := c.Read(); ceiling != admission.Unlimited {
		t.Errorf("grown to %d", ceiling)
	}
	c.Set(3)
	if c.Left() != 0 {
		t.Errorf("%d left under a ceiling below the use", c.Left())
	}
	g.Release()
	if c.Left() != 3 {
		t.Errorf("%d left, want 3", c.Left())
	}
}

func TestGivingBackTooMuchIsSeen(t *testing.T) {
	c := admission.NewCounter("pipe", 10)
	g, _ := admission.New(nil).Admit([]admission.Amount{{c, 6}})
	had := g.Has()
	g.Release()
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed")
		}
	}()
	admission.GiveBack(had)
}

// CA-01
func TestCapacity(t *testing.T) {
	for name, tc := range map[string]struct {
		video, mra, audio int
		want              admission.Capacity
	}{
		"CE1200": {500, 500, 1000, admission.Capacity{Total: 1000, Video: 2, MRA: 2, Audio: 1}},
		"Medium": {100, 100, 200, admission.Capacity{Total: 200, Video: 2, MRA: 2, Audio: 1}},
		"Small":  {40, 20, 40, admission.Capacity{Total: 40, Video: 1, MRA: 2, Audio: 1}},
		"odd":    {7, 3, 11, admission.Capacity{Total: 231, Video: 33, MRA: 77, Audio: 21}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, admission.CapacityOf(tc.video, tc.mra, tc.audio)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// CA-01: no mix of calls passes 1, and each kind alone reaches its limit but for rounding.
func TestCapacityNeverTooMuch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 1_000_000)
		v, m, a := limit.Draw(t, "video"), limit.Draw(t, "mra"), limit.Draw(t, "audio")
		c := admission.CapacityOf(v, m, a)
		for _, k := range []struct {
			limit int
			cost  uint32
		}{{v, c.Video}, {m, c.MRA}, {a, c.Audio}} {
			most := int(c.Total / k.cost)
			if most > k.limit {
				t.Fatalf("%d calls of a kind that is limited to %d", most, k.limit)
			}
			if float64(most) < float64(k.limit)*0.999-1 {
				t.Fatalf("only %d calls of %d: %+v", most, k.limit, c)
			}
		}
	})
}

// Whatever is admitted, changed and released at the same time while ceilings move: use never
// passes the ceiling of its moment, and in the end everything is back.
func TestManyAtOnce(t *testing.T) {
	const workers, rounds = 8, 20_000
	counters := make([]*admission.Counter, 8)
	for i := range counters {
		counters[i] = admission.NewCounter(fmt.Sprint("c", i), 100)
	}
	a := admission.New(nil)
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() { work(t, a, counters, rand.New(rand.NewPCG(uint64(w), 7)), rounds) })
	}
	running.Go(func() { move(t, counters, rounds) })
	running.Wait()
	for _, c := range counters {
		if used(c) != 0 {
			t.Errorf("%d of %s are still in use", used(c), c.Name())
		}
	}
}

func work(t *testing.T, a *admission.Admission, counters []*admission.Counter, r *rand.Rand, rounds int) {
	demand := func() []admission.Amount {
		var out []admission.Amount
		for _, c := range counters {
			if r.IntN(2) == 0 {
				out = append(out, admission.Amount{Of: c, N: uint32(r.IntN(40))})
			}
		}
		return out
	}
	for range rounds {
		g, short := a.Admit(demand())
		if short != nil {
			continue
		}
		g.Change(demand())
		for _, c := range counters {
			if ceiling, used := c.Read(); used > ceiling {
				t.Errorf("%d of %s in use, the ceiling is %d", used, c.Name(), ceiling)
			}
		}
		g.Release()
	}
}

// move shrinks and grows ceilings as a ledger does: what it has shrunk by, it may give to another.
func move(t *testing.T, counters []*admission.Counter, rounds int) {
	for i := range rounds {
		c := counters[i%len(counters)]
		before, _ := c.Read()
		after := c.Shrink(uint32(i % 100))
		if after > before {
			t.Errorf("shrunk from %d to %d", before, after)
		}
		c.Grow(before - after)
	}
}
