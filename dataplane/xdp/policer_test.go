package xdp

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/bpf"
	"turnpike.dev/turnpike/dataplane/relay"
	"turnpike.dev/turnpike/perf/lab"
)

// granted has the flow send payloads for as long as it takes, and returns the bytes that
// went on, those of an RTP header aside, and how long it took.
func (r *rig) granted(t *testing.T, d datagram, counts int, while func() bool) (bytes float64, took time.Duration) {
	t.Helper()
	frame, dev := d.frame(t), r.in(d.dst)
	begin := time.Now()
	for while() {
		switch verdict, _ := r.run(t, dev, frame); verdict {
		case xdpRedirect, xdpTX:
			bytes += float64(counts)
		case xdpDrop:
		default:
			t.Fatalf("verdict %d", verdict)
		}
	}
	return bytes, time.Since(begin)
}

// The policer grants a rate, and what was not used of it for a time.
// ME-01
func TestPolicer(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	for _, tt := range []struct {
		name    string
		kbps    uint32
		depth   time.Duration
		payload []byte
		counts  int
		deep    time.Duration // that the bucket must be
	}{
		{"a second at least", 1600, 0, pattern(1000), 1000, time.Second},
		{"less than a second is a second", 1600, 100 * time.Millisecond, pattern(1000), 1000, time.Second},
		{"more", 1600, 2 * time.Second, pattern(1000), 1000, 2 * time.Second},
		{"RTP header is free", 1600, 0, rtpPayload(1, 1, 1, 500), 500, time.Second},
		{"slow", 64, 0, pattern(160), 160, time.Second},
		{"fast", 400_000, 0, pattern(1400), 1400, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := up(4, 6)
			f.RateKbps, f.Depth = tt.kbps, tt.depth
			id := r.mustInstall(t, f)
			defer r.Remove(id)
			end := time.Now().Add(150 * time.Millisecond)
			got, took := r.granted(t, packet(f, tt.payload), tt.counts, func() bool { return time.Now().Before(end) })
			rate := float64(tt.kbps) * 1000 / 8
			// The clock of the policer goes in steps of a few milliseconds; and what
			// nobody sends at the end is not granted.
			slack := rate*0.012 + float64(2*tt.counts)
			least, most := rate*(tt.deep+took/3).Seconds()-slack, rate*(tt.deep+took).Seconds()+slack
			policed := r.Counters(id).Policed
			if got > most || policed > 0 && got < least {
				t.Errorf("granted %.0f bytes in %v, want from %.0f to %.0f", got, took, least, most)
			}
			if policed == 0 && tt.kbps < 100_000 {
				t.Error("nothing was policed")
			}
		})
	}
}

// Each flow has a bucket of its own, which a change of the flow does not fill.
// ME-01
func TestPolicerIsOfOneFlow(t *testing.T) {
	if !inNode(t, lab.Options{}) {
		return
	}
	r := newRig(t, Config{})
	f, g := up(4, 4), up(6, 6)
	f.RateKbps, g.RateKbps = 8, 8
	id := r.mustInstall(t, f)
	r.mustInstall(t, g)
	full := packet(f, pattern(1000))
	var policed bool
	r.granted(t, packet(f, pattern(50)), 50, func() bool {
		policed = r.Counters(id).Policed > 0
		return !policed
	})
	for name, replace := range map[string]func(relay.Flow) relay.Flow{
		"as it was": func(f relay.Flow) relay.Flow { return f },
		"elsewhere": func(f relay.Flow) relay.Flow { f.Out.Src = addr("198.18.1.1:24555"); return f },
	} {
		if err := r.Replace(id, replace(f), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := r.reason(t, full); got != bpf.ReasonPoliced {
			t.Errorf("replaced %s: %s", name, got)
		}
	}
	if got := r.reason(t, packet(g, pattern(1000))); got != bpf.ReasonForwarded {
		t.Errorf("another flow: %s", got)
	}
	if got := r.reason(t, packet(f, rtpPayload(1, 1, 1, 0))); got != bpf.ReasonForwarded {
		t.Errorf("nothing but an RTP header: %s", got)
	}
	r.Remove(id)
	r.mustInstall(t, f)
	if got := r.reason(t, full); got != bpf.ReasonForwarded {
		t.Errorf("a new flow: %s", got)
	}
}
