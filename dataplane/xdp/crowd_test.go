package xdp

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/perf/lab"
)

// crowded makes the process one that cannot keep up, and leaves nothing for sources that
// had their share: all of them, or none.
func crowded(all bool) func(*testing.T, *rig) func() {
	return func(t *testing.T, r *rig) func() {
		later := monotonic() + uint64(time.Hour)
		c := bpf.RelayCrowd{Until: later}
		for cpu := range c.Cpus {
			c.Cpus[cpu].Spare = later
		}
		for i := range c.Sources {
			for j := range c.Sources[i] {
				if all {
					c.Sources[i][j] = later
				}
			}
		}
		r.mustPutCrowd(t, c)
		return func() { r.mustPutCrowd(t, bpf.RelayCrowd{}) }
	}
}

func (r *rig) mustPutCrowd(t *testing.T, c bpf.RelayCrowd) {
	t.Helper()
	if err := r.maps.Crowds.Put(uint32(0), &c); err != nil {
		t.Fatal(err)
	}
}

// A source that floods while the process cannot keep up gets its share and what is to
// spare; others get theirs as if nothing were.
func TestCrowd(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	const many = 5000
	flood := func() (passed int) {
		moved := r.moved(func() {
			for range many {
				r.run(t, r.s0, stun.frame(t))
			}
		})
		if got := moved[bpf.ReasonControl] + moved[bpf.ReasonCrowd]; got != many {
			t.Errorf("left for %v", moved)
		}
		return int(moved[bpf.ReasonControl])
	}
	if got := flood(); got != many {
		t.Errorf("%d of %d passed while the process keeps up", got, many)
	}
	r.Pressed()
	began := time.Now()
	const share, spare = 400, 100 // at once; and 200/s and 5000/s
	most := share + spare + 2 + int(5200*time.Since(began).Seconds())
	if got := flood(); got < share || got > most+int(5200*time.Since(began).Seconds()) {
		t.Errorf("%d passed of a source that floods", got)
	}
	if got := r.reason(t, stun.from("198.18.0.3:40000")); got != bpf.ReasonControl {
		t.Errorf("another source: %s", got)
	}
	six := stun
	six.src, six.dst = client6, listener6
	if got := r.reason(t, six); got != bpf.ReasonControl {
		t.Errorf("an IPv6 source: %s", got)
	}
}

// When forged sources are so many that each keeps to its share, those whose password was
// right before go on.
func TestKnownSources(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	six := stun
	six.src, six.dst = client6, listener6
	for _, d := range []datagram{stun, six} {
		c := bpf.RelayCrowd{Until: monotonic() + uint64(time.Hour)}
		for cpu := range c.Cpus {
			c.Cpus[cpu].All, c.Cpus[cpu].Spare = c.Until, c.Until
		}
		r.mustPutCrowd(t, c)
		if got := r.reason(t, d); got != bpf.ReasonCrowd {
			t.Errorf("%s is unknown: %s", d.src, got)
		}
		r.Known(d.src.Addr())
		if got := r.reason(t, d); got != bpf.ReasonControl {
			t.Errorf("%s is known: %s", d.src, got)
		}
		now := uint32(monotonic() >> knownShift)
		for i := range r.memory.crowd.Known {
			for j, at := range r.memory.crowd.Known[i] {
				if at != 0 {
					r.memory.crowd.Known[i][j] = now - 601
				}
			}
		}
		if got := r.reason(t, d); got != bpf.ReasonCrowd {
			t.Errorf("%s was known ten minutes ago: %s", d.src, got)
		}
	}
}

func TestPressedAfterClose(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	b, err := Open(Config{PinDir: pinDir(t), MaxFlows: 256})
	if err != nil {
		t.Fatal(err)
	}
	b.Pressed()
	b.Known(client4.Addr())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.Pressed() // a loop may be late
	b.Known(client4.Addr())
}
