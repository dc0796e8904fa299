package runner_test

import (
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// What SIPp plays comes back from SIPp's echo, and the kernel counts the same both ways.
func TestEchoedMediaIsCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{Shape: lab.SingleInterface})
	addr, far := l.ClientAddrs.V4[0], l.PeerAddrs.V4[0]
	media, err := runner.CountMedia(t.Context(), l.Client, runner.Ports{First: 40000, Last: 40000})
	if err != nil {
		t.Fatal(err)
	}
	callee, err := runner.Start(t.Context(), runner.Config{
		Host: l.Client, Scenario: "callee", Local: netip.AddrPortFrom(far, 5070), MediaPort: 40000, Calls: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer callee.Close() //nolint:errcheck // a folder of its own
	const hold = 2 * time.Second
	_, err = runner.Run(t.Context(), runner.Config{
		Host: l.Client, Scenario: "caller", Local: netip.AddrPortFrom(addr, 5062), Target: netip.AddrPortFrom(far, 5070), Calls: 4, Hold: hold,
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, received, err := media.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if least := uint64(4 * hold / (20 * time.Millisecond) / 2); sent != received || sent < least {
		t.Errorf("%d sent, %d received, want the same and %d at least", sent, received, least)
	}
	if err := media.Close(); err != nil {
		t.Error(err)
	}
}
