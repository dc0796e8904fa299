package admission_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/admission"
)

// LI-06: what is lent is taken only while the lease runs; what was taken stays and is given back after it.
func TestLease(t *testing.T) {
	var now time.Duration
	lease := admission.NewLease(func() time.Duration { return now })
	own, lent := admission.NewCounter("own", 5), admission.NewCounter("lent", 5)
	lent.Lend(lease)
	a := admission.New(nil)
	demand := []admission.Amount{{Of: own, N: 1}, {Of: lent, N: 1}}
	for _, step := range []struct {
		name  string
		now   time.Duration
		until time.Duration // 0: it is not made longer
		taken bool
	}{
		{"before the first", 0, 0, false},
		{"it runs", time.Second, 4 * time.Second, true},
		{"it is never made shorter", 3 * time.Second, 2 * time.Second, true},
		{"its last moment", 4 * time.Second, 0, true},
		{"it is over", 4*time.Second + 1, 0, false},
		{"it runs again", 9 * time.Second, 10 * time.Second, true},
	} {
		now = step.now
		if step.until > 0 {
			lease.Extend(step.until)
		}
		_, usedBefore := own.Read()
		if short := a.Take(demand...); (short == nil) != step.taken {
			t.Errorf("%s: %v is short", step.name, short)
		}
		if _, used := own.Read(); (used > usedBefore) != step.taken {
			t.Errorf("%s: %d of its own are in use, %d were", step.name, used, usedBefore)
		}
	}
	now = time.Hour
	a.Give(demand...)
	if _, used := lent.Read(); used != 3 {
		t.Errorf("%d are in use after one was given back", used)
	}
	lent.Lend(nil)
	if a.Take(demand...) != nil {
		t.Error("its own again, and short")
	}
}

// BenchmarkAdmitLent is BenchmarkAdmit with all of the eight counters lent by a cluster, under one lease whose clock is read as a
// node reads it; and p99-ns as there.
func BenchmarkAdmitLent(b *testing.B) {
	boot := func() time.Duration {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
		return time.Duration(ts.Nano())
	}
	lent := func(clock func() time.Duration) (*admission.Admission, []admission.Amount) {
		lease := admission.NewLease(clock)
		lease.Extend(1 << 62)
		a, demand := set(8)
		for _, d := range demand {
			d.Of.Lend(lease)
		}
		return a, demand
	}
	for name, clock := range map[string]func() time.Duration{"served": admission.Served(boot), "system-call": boot} {
		b.Run(name, func(b *testing.B) {
			a, demand := lent(clock)
			b.ReportAllocs()
			var g admission.Grant
			for b.Loop() {
				if a.AdmitTo(&g, demand) != nil {
					b.Fatal("refused")
				}
				g.Release()
			}
		})
		b.Run(name+"-p99", func(b *testing.B) {
			a, demand := lent(clock)
			var mu sync.Mutex
			var took []time.Duration
			b.RunParallel(func(pb *testing.PB) {
				mine := timed(pb, a, demand, make([]byte, 4<<10))
				mu.Lock()
				defer mu.Unlock()
				took = append(took, mine...)
			})
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		})
	}
}
