package xdp

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// modelBucket is the twin of bpf/shared.h: a bucket and what each CPU has of it.
type modelBucket struct {
	bpf.RelayBucket
	credit []uint64
}

func (b *modelBucket) draw(bytes, now uint64) bool {
	tat := max(b.Tat, now) + bytes*uint64(b.ByteCost)>>10
	if tat > now+uint64(b.Depth)<<10 {
		return false
	}
	b.Tat = tat
	return true
}

func (b *modelBucket) take(cpu int, bytes, now uint64) bool {
	had := b.credit[cpu]
	switch needed := bytes - had; {
	case had >= bytes:
		b.credit[cpu] -= bytes
	case b.ByteCost == 0:
	case b.draw(needed+uint64(b.Batch), now):
		b.credit[cpu] = uint64(b.Batch)
	case b.draw(needed, now):
		b.credit[cpu] = 0
	default:
		return false
	}
	return true
}

// Whatever CPUs packets come on: within any time a bucket grants no more than its rate,
// its depth and the stated part of that; it never refuses who keeps to rate and depth; and
// what CPUs keep is never more than a batch each.
// BW-06
func TestBatchesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kbps := rapid.Uint32Range(8, 1_000_000).Draw(t, "kbps")
		depth := time.Duration(rapid.Int64Range(1e9, 5e9).Draw(t, "depth"))
		cpus := rapid.IntRange(1, 64).Draw(t, "cpus")
		b := modelBucket{encodeLimit(relay.Limit{Kbps: kbps, Depth: depth}, cpus), make([]uint64, cpus)}
		perSecond := float64(kbps) * 125
		held := perSecond * depth.Seconds()
		stated := 2 * float64(b.Batch) * float64(cpus)
		if stated > 2*held/batchShare*1.001+1 {
			t.Fatalf("batches of %.0f bytes in a bucket of %.0f", stated, held)
		}
		begin := rapid.Uint64Range(1, 1<<50).Draw(t, "begin")
		now, passed, plain := begin, 0.0, held // plain is an ordinary bucket of the same size
		for range rapid.IntRange(1, 400).Draw(t, "packets") {
			gap := rapid.Uint64Range(0, 3e8).Draw(t, "gap")
			bytes := rapid.Uint64Range(0, 1500).Draw(t, "bytes")
			now += gap
			plain = min(held, plain+perSecond*float64(gap)/1e9)
			ok := b.take(rapid.IntRange(0, cpus-1).Draw(t, "cpu"), bytes, now)
			if !ok && float64(bytes) < plain-held/1000-2 {
				t.Fatalf("%d bytes refused with %.0f of %.0f left", bytes, plain, held)
			}
			if ok {
				passed += float64(bytes)
				plain -= float64(bytes) // below nothing, when it was granted what CPUs kept
			}
			most := held + perSecond*float64(now-begin)/1e9 + stated
			if passed > most*1.001+1500 {
				t.Fatalf("%.0f bytes in %v, at most %.0f", passed, time.Duration(now-begin), most)
			}
			for cpu, credit := range b.credit {
				if credit > uint64(b.Batch) {
					t.Fatalf("CPU %d keeps %d bytes, a batch is %d", cpu, credit, b.Batch)
				}
			}
		}
	})
}

// The program and its model agree about each packet of one CPU.
// BW-06
func TestBatchesAreTheModels(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	onOneCPU(t)
	r := newRig(t, Config{})
	g := r.mustOpenGroup(t, "call", 4, 20*time.Second) // 500 bytes a second: the clock hardly matters
	f := groups(up(4, 4), g)
	r.mustInstall(t, f)
	model := modelBucket{encodeLimit(relay.Limit{Kbps: 4, Depth: 20 * time.Second}, r.cpus), make([]uint64, 1)}
	differ := 0
	for i := range 200 {
		size := i * 37 % 400
		want := bpf.ReasonOverGrant
		if model.take(0, uint64(size), monotonic()) {
			want = bpf.ReasonForwarded
		}
		if got := r.reason(t, packet(f, pattern(size))); got != want {
			differ++
		}
	}
	n := r.buckets.open[g].number
	share := uint64(0)
	for cpu := range r.cpus {
		share += r.memory.shares[r.buckets.shareIndex(n, cpu)].Credit
	}
	stats := r.GroupStats(g)
	if stats.Policed == 0 || stats.Packets+stats.Policed != 200 || differ > 2 {
		t.Errorf("%+v; %d packets judged otherwise; credit %d, in the model %d", stats, differ, share, model.credit[0])
	}
}
