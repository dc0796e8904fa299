package pace_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike.dev/turnpike/deploy/sipp/pace"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// BW-06: with nobody in between, all that was sent arrives, and a rate is what it says:
// what fails here is no node's fault.
func TestStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{Shape: lab.SingleInterface, Clients: 2})
	open := func(at netip.Addr) *pace.End {
		e, err := pace.Open(l.Client, netip.AddrPortFrom(at, 7002))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		return e
	}
	near, far := open(l.ClientAddrs.V4[0]), open(l.ClientAddrs.V4[1])
	to := netip.AddrPortFrom(l.ClientAddrs.V4[1], 7002)
	began := time.Now()
	rates := map[uint32]int{1: 64, 2: 384, 3: 1536}
	streams := map[uint32]*pace.Stream{}
	for ssrc, kbps := range rates {
		streams[ssrc] = near.Send(ssrc, to, kbps)
	}
	nodetest.Eventually(t, 20*time.Second, "a second of media", func() error {
		if streams[1].Sent().Packets < 50 {
			return errEarly
		}
		return nil
	})
	for ssrc, s := range streams {
		sent, lasted := s.Stop(), time.Since(began)
		nodetest.Eventually(t, 5*time.Second, "what was sent", func() error {
			if got := far.Got(ssrc); got != sent {
				return errMissing
			}
			return nil
		})
		// A busy machine sends less, never more.
		if most := uint64(float64(rates[ssrc]) / 8 * float64(lasted.Milliseconds()) * 1.001); sent.Bytes == 0 || sent.Bytes > most {
			t.Errorf("%d kbit/s: %d bytes in %s, want at most %d", rates[ssrc], sent.Bytes, lasted, most)
		}
	}
}

var (
	errEarly   = errors.New("it has just begun")
	errMissing = errors.New("something is missing")
)
