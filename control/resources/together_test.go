package resources

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/licensing"
)

// together counts what a crowd of calls was told that it has.
type together struct {
	kbps, halves, calls atomic.Int64
}

func (s *together) add(g Granted, sign int64) (kbps, halves, calls int64) {
	kbps = s.kbps.Add(sign * int64(g.Kbps[0]))
	halves = s.halves.Add(sign * int64(g.HalfRMS))
	return kbps, halves, s.calls.Add(sign)
}

// CA-01, LI-04, BW-02: however many admit, change and release beside each other, calls
// never have more together than there is, and in the end nothing.
func TestTogether(t *testing.T) {
	disk := newMemory()
	n := nodeOf(t, twoSites, "calls: {max: 7}\nturn: {max_relays: 9}\nsystem: {name: tp1, platform: custom}\n")
	keys := licensing.Installed{Keyed: true, Pool: licensing.Pool{HalfRMS: 5}}
	r, err := New(n, keys, Deps{Journal: keeping(disk, nil)})
	if err != nil {
		t.Fatal(err)
	}
	var sum together
	var crowd sync.WaitGroup
	for i := range 8 {
		crowd.Go(func() { live(t, r, &sum, rand.New(rand.NewPCG(uint64(i), 6))) })
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { // what goes on beside the calls
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r.Objects()
			r.Grants()
			if i%10 == 0 {
				r.compact()
			}
			if err := r.Change(n, keys); err != nil {
				t.Error(err)
			}
		}
	})
	crowd.Wait()
	close(stop)
	others.Wait()
	if diff := cmp.Diff(map[string]uint64{}, used(r)); diff != "" {
		t.Error(diff)
	}
	if left := keeping(disk, nil).before.records; len(left) != 0 {
		t.Errorf("the journal has %d grants", len(left))
	}
}

// live makes calls, one after the other, over one pipe.
func live(t *testing.T, r *Resources, sum *together, random *rand.Rand) {
	for i := range 2000 {
		w := one(through(phone("Porto"), guest("World"), uint32(random.IntN(2000)+1)))
		g, err := r.Admit(fmt.Sprint(i), w)
		if err != nil {
			continue
		}
		has := g.Granted()
		if kbps, halves, calls := sum.add(has, 1); kbps > 3000 || halves > 5 || calls > 7 {
			t.Errorf("%d kbps of 3000, %d halves of 5, %d calls of 7", kbps, halves, calls)
		}
		sum.add(has, -1)
		if w.Connected, w.Streams, w.Ways[0].Asked = true, 1, w.Ways[0].Asked/2; w.Ways[0].Asked > 0 {
			if err := g.Change(w); err != nil {
				t.Errorf("less is refused: %v", err)
			}
		}
		has = g.Granted()
		if kbps, halves, calls := sum.add(has, 1); kbps > 3000 || halves > 5 || calls > 7 {
			t.Errorf("%d kbps of 3000, %d halves of 5, %d calls of 7", kbps, halves, calls)
		}
		sum.add(has, -1)
		var both sync.WaitGroup // it ends at both ends at once
		both.Go(g.Release)
		g.Release()
		both.Wait()
	}
}

// Places of relays: never more than there are, also beside what an earlier process left.
func TestRelaysTogether(t *testing.T) {
	const limit = 9
	n := nodeOf(t, "turn: {max_relays: 9}\nsystem: {name: tp1, platform: custom}\n")
	relays := newResources(t, n, Deps{}).Relays()
	var taken atomic.Int64
	var crowd sync.WaitGroup
	for range 8 {
		crowd.Go(func() {
			for range 5000 {
				if !relays.Take(2) {
					continue
				}
				if now := taken.Add(2); now > limit {
					t.Errorf("%d of %d", now, limit)
				}
				taken.Add(-2)
				relays.Give(2)
			}
		})
	}
	crowd.Wait()
	if !relays.Keep(limit + 3) {
		t.Error("what is there already is not kept")
	}
	relays.Give(3)
	if relays.Take(1) {
		t.Error("one more, and it is full")
	}
	relays.Give(limit)
	if l, used := relays.Read(); l != limit || used != 0 {
		t.Errorf("%d of %d", used, l)
	}
}
