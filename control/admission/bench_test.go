package admission_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/admission"
)

// BenchmarkAdmit takes and gives back a call's whole set, from one goroutine and from as many as
// there are CPUs, all on the same counters. It leaves out what decides the amounts (the dial plan, the
// way over links). p99-ns is of single admissions, with the two readings of the clock in it, from
// as many goroutines as there are CPUs (-cpu 1,2): with some 100 µs of other work between two, a tenth of
// what the rest of a call's set-up takes; crowded, with some 4 µs; and back to back, where the CPUs
// do nothing but fight for the counters.
func BenchmarkAdmit(b *testing.B) {
	for _, n := range []int{8, 16} {
		b.Run(fmt.Sprint(n, "-counters"), func(b *testing.B) {
			a, demand := set(n)
			b.ReportAllocs()
			var g admission.Grant
			for b.Loop() {
				if a.AdmitTo(&g, demand) != nil {
					b.Fatal("refused")
				}
				g.Release()
			}
		})
		b.Run(fmt.Sprint(n, "-counters-contended"), func(b *testing.B) {
			a, demand := set(n)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var g admission.Grant
				for pb.Next() {
					if a.AdmitTo(&g, demand) != nil {
						panic("refused")
					}
					g.Release()
				}
			})
		})
		for name, other := range map[string]int{"p99-back-to-back": 0, "p99-crowded": 4 << 10, "p99": 128 << 10} {
			b.Run(fmt.Sprint(n, "-counters-", name), func(b *testing.B) {
				a, demand := set(n)
				var mu sync.Mutex
				var all []time.Duration
				b.RunParallel(func(pb *testing.PB) {
					took := timed(pb, a, demand, make([]byte, other))
					mu.Lock()
					defer mu.Unlock()
					all = append(all, took...)
				})
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
			})
		}
	}
}

// timed admits as often as it is told, and returns what each admission took. Between two it
// reads other, as the rest of a call's set-up reads something.
func timed(pb *testing.PB, a *admission.Admission, demand []admission.Amount, other []byte) []time.Duration {
	var g admission.Grant
	took := make([]time.Duration, 0, 1<<20)
	for pb.Next() {
		start := time.Now()
		if a.AdmitTo(&g, demand) != nil {
			panic("refused")
		}
		took = append(took, time.Since(start))
		g.Release()
		if len(other) > 0 {
			sum := sha256.Sum256(other)
			copy(other, sum[:])
		}
	}
	return took
}

func set(n int) (*admission.Admission, []admission.Amount) {
	var demand []admission.Amount
	for i := range n {
		demand = append(demand, admission.Amount{Of: admission.NewCounter(fmt.Sprint(i), 1_000_000), N: 2})
	}
	return admission.New(nil), demand
}
