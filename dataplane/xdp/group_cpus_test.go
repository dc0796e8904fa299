package xdp

import (
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// Two CPUs that take from one pipe get its rate together, and at most a batch each beyond
// it.
// BW-06
func TestTwoCPUsOnOnePipe(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	const kbps, size = 16_000, 1000
	pipe := r.mustOpenGroup(t, "pipe", kbps, time.Second)
	flows := []relay.Flow{groups(up(4, 4), pipe), groups(down(6, 6), pipe)}
	for _, f := range flows {
		r.mustInstall(t, f)
	}
	cpus := allowedCPUs(t)
	begin := time.Now()
	var work sync.WaitGroup
	for i, f := range flows {
		work.Go(func() { r.flood(t, packet(f, pattern(size)), cpus[i%len(cpus)], 2*time.Second) })
	}
	work.Wait()
	took := time.Since(begin).Seconds()
	used := 0
	for cpu := range r.cpus {
		if r.memory.shares[r.buckets.shareIndex(r.buckets.open[pipe].number, cpu)].Packets > 0 {
			used++
		}
	}
	if used != min(len(cpus), len(flows)) {
		t.Errorf("%d CPUs took from the pipe", used)
	}
	const rate = kbps * 1000 / 8
	got, stats := float64(r.GroupStats(pipe).Bytes), r.GroupStats(pipe)
	over := 2 * float64(r.cpus) * float64(r.memory.buckets[r.buckets.open[pipe].number].Batch)
	if over > 2*rate/batchShare+1 {
		t.Errorf("the batches of %d CPUs have %.0f bytes of a bucket of %d", r.cpus, over, rate)
	}
	// The coarse clock's steps, and the packets on the way.
	if least, most := rate*(1+took-0.02), rate*(1+took+0.02)+over; got < least || got > most || stats.Policed == 0 {
		t.Errorf("two CPUs got %.0f bytes in %.2f s, want %.0f to %.0f; %d policed", got, took, least, most, stats.Policed)
	}
}

// Buckets are opened, changed and closed, and flows get others, while packets take from
// them on two CPUs: none is left to the process, and in the end nothing is left.
// BW-06
func TestGroupsChangeUnderTraffic(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	flows := []relay.Flow{up(4, 4), down(6, 6)}
	var ids []relay.FlowID
	for _, f := range flows {
		ids = append(ids, r.mustInstall(t, f))
	}
	const long = time.Second
	cpus := allowedCPUs(t)
	var work sync.WaitGroup
	for i, f := range flows {
		work.Go(func() { r.flood(t, packet(f, pattern(500)), cpus[i%len(cpus)], long) })
	}
	changes := 0
	for end := time.Now().Add(long); time.Now().Before(end); changes++ {
		call, pipe := r.mustOpenGroup(t, "call", 64, time.Second), r.mustOpenGroup(t, "pipe", 1000, time.Second)
		for i, f := range flows {
			if err := r.Replace(ids[i], groups(f, call, pipe), time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		for kbps := range uint32(100) {
			r.SetGroup(call, relay.Limit{Kbps: kbps * kbps, Depth: time.Second})
		}
		r.CloseGroup(call)
		r.CloseGroup(pipe)
	}
	work.Wait()
	for i, f := range flows {
		if err := r.Replace(ids[i], f, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.namedBuckets(); n != 0 || len(r.buckets.open) != 0 || len(r.buckets.sets.byBuckets) != 0 {
		t.Errorf("after %d changes %d buckets have names, %d are open, %d sets are there", changes, n, len(r.buckets.open), len(r.buckets.sets.byBuckets))
	}
	r.buckets.numbers.waitGrace()
	r.buckets.sets.ids.waitGrace()
	if b, s := &r.buckets.numbers, &r.buckets.sets.ids; b.free.Len() != int(b.next)-1 || s.free.Len() != int(s.next)-1 {
		t.Errorf("%d of %d numbers of buckets are free, %d of %d of sets", b.free.Len(), b.next-1, s.free.Len(), s.next-1)
	}
	if c := r.Reasons(); c[bpf.ReasonOverGrant] == 0 || changes < 5 {
		t.Errorf("%d changes, %d packets over their grants", changes, c[bpf.ReasonOverGrant])
	}
}

// flood sends a datagram again and again on one CPU, for so long.
func (r *rig) flood(t *testing.T, d datagram, cpu int, long time.Duration) {
	t.Helper()
	frame, dev := d.frame(t), r.in(d.dst)
	err := onCPU(cpu, func() error {
		for end := time.Now().Add(long); time.Now().Before(end); {
			verdict, _, err := r.tryRun(dev, frame, 0)
			if err != nil {
				return err
			}
			if verdict == xdpPass {
				return errors.New("a packet was left to the process")
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// allowedCPUs are the CPUs that this process may run on.
func allowedCPUs(t *testing.T) (cpus []int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
