package runner_test

import (
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab"
	"turnpike.dev/turnpike/perf/lab/labtest"
)

// The scenarios against each other, with nobody in between: what fails here is theirs.
func TestScenariosFitEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	l := labtest.New(t, lab.Options{Shape: lab.SingleInterface})
	for i, tt := range []struct {
		caller, callee string
		calls          int
		hold           time.Duration
		tcp            bool
		replace        map[string]string
	}{
		{caller: "caller", callee: "callee", calls: 5, hold: time.Second},
		{caller: "caller", callee: "callee", calls: 5, hold: time.Second, tcp: true},
		{caller: "signalling-caller", callee: "signalling-callee", calls: 20},
		{caller: "logging-caller", callee: "logging-callee", calls: 5},
		{caller: "video-caller", callee: "video-callee", calls: 2, hold: time.Second},
		{caller: "delayed-caller", callee: "delayed-callee", calls: 3, hold: time.Second},
		{caller: "hold-caller", callee: "hold-callee", calls: 3, hold: 500 * time.Millisecond},
		{caller: "cancelling-caller", callee: "cancelled-callee", calls: 5, hold: 200 * time.Millisecond},
		{caller: "rejected-caller", callee: "rejecting-callee", calls: 5},
		{caller: "left-caller", callee: "leaving-callee", calls: 5, hold: time.Second},
		{caller: "refused-caller", callee: "rejecting-callee", calls: 2, replace: map[string]string{"EXPECTED": "486"}},
	} {
		t.Run(tt.caller, func(t *testing.T) {
			t.Parallel()
			addr := l.ClientAddrs.V4[0]
			port := uint16(7000 + 20*i)
			far := netip.AddrPortFrom(addr, port)
			callee, err := runner.Start(t.Context(), runner.Config{
				Host: l.Client, Scenario: tt.callee, Local: far, MediaPort: port + 4, Calls: tt.calls, Hold: tt.hold + 700*time.Millisecond, TCP: tt.tcp,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer callee.Close() //nolint:errcheck // a folder of its own
			r, err := runner.Run(t.Context(), runner.Config{
				Host: l.Client, Scenario: tt.caller, Local: netip.AddrPortFrom(addr, port+10), Target: far,
				Calls: tt.calls, Hold: tt.hold, TCP: tt.tcp, Replace: tt.replace, Pcap: runner.Video(50), MediaPort: 0,
			})
			if err != nil {
				callee.Stop()
				_, failed := callee.Wait(t.Context())
				t.Fatal(err, failed)
			}
			if r.Successful != tt.calls || r.Retransmissions != 0 {
				t.Errorf("%+v, want %d calls and nothing twice", r, tt.calls)
			}
			if answered, err := callee.Wait(t.Context()); err != nil || answered.Successful != tt.calls {
				t.Errorf("callee: %+v, %v", answered, err)
			}
		})
	}
}
