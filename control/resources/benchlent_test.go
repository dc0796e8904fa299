package resources

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/control/admission"
)

// BenchmarkAdmitPatient is the admission of a call as SIP's are in a cluster: all that limits it is lent under one lease,
// whose clock is read as a node reads it, and it would rather wait. It takes of eight counters: of the node, of the
// cluster, licences, two pipes and three subzones. p50-ns and p99-ns are of single ones, with the two readings of the clock
// in it. Of counting, which is to take less than a microsecond, the ways and the grant's memory are left out.
func BenchmarkAdmitPatient(b *testing.B) {
	call := one(through(guest("Lisbon"), phone("Porto"), 300))
	call.Patient = true
	hasty := call
	hasty.Patient = false
	whole := func(w Want) func(*testing.B, *Resources) func() func() {
		return func(b *testing.B, r *Resources) func() func() {
			return func() func() {
				g, err := r.Admit("6ba7b810-9dad-41d1-80b4-00c04fd430c8", w)
				if err != nil {
					b.Fatal(err)
				}
				return g.Release
			}
		}
	}
	for name, of := range map[string]func(*testing.B, *Resources) func() func(){
		"patient": whole(call), "hasty": whole(hasty), "counting": counting(&call),
	} {
		b.Run(name, func(b *testing.B) {
			admit := of(b, lentToAll(b))
			b.ReportAllocs()
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				release := admit()
				took = append(took, time.Since(start))
				release()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		})
	}
}

// counting is what follows the decision of what a call needs: whether peers are to be asked, and the taking.
func counting(w *Want) func(*testing.B, *Resources) func() func() {
	return func(b *testing.B, r *Resources) func() func() {
		h, refused := r.decide(w, nil)
		if refused != nil || len(h.amounts) != 8 {
			b.Fatalf("%v, %d counters", refused, len(h.amounts))
		}
		var taken admission.Grant
		release := taken.Release
		return func() func() {
			if refused, _ := r.patient(h, nil, 0); refused != nil {
				b.Fatal(refused)
			}
			if short := r.admission.AdmitTo(&taken, h.amounts); short != nil {
				b.Fatal(short.Name())
			}
			return release
		}
	}
}

// lentToAll is one of five peers of a cluster that counts as four, with all that there is.
func lentToAll(b *testing.B) *Resources {
	boot := func() time.Duration {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
		return time.Duration(ts.Nano())
	}
	n := nodeOf(b, twoSites, "cluster_redundancy: 4+1\n")
	n.Cluster.Peers = make([]string, 5)
	r := newResources(b, n, Deps{})
	lease := admission.NewLease(admission.Served(boot))
	lease.Extend(1 << 62)
	r.Lend(lease)
	r.Begin()
	for _, p := range r.Parts() {
		r.Raise(p.Name, p.Total)
	}
	return r
}
