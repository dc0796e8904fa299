package sipp_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/alarms"
	"turnpike.dev/turnpike/deploy/sipp/runner"
	"turnpike.dev/turnpike/perf/lab/nodetest"
)

// wantFull checks that a call was refused because the node is full: RFC 3261 21.5.4.
func wantFull(t *testing.T, c runner.Told) {
	t.Helper()
	if c.Status != 503 || c.RetryAfter == 0 {
		t.Errorf("%+v, want 503 and Retry-After", c)
	}
}

// CA-01, CA-04: a Small node carries 40 calls, of video or of audio, and 75 licences do not
// make it more. The next one is refused, those that run do not notice, and what they end with
// is free again.
func TestSmallNodeIsFull(t *testing.T) {
	t.Parallel()
	const most = 40
	for _, tt := range []struct {
		name  string
		video int
	}{
		{"video", videoPort},
		{"audio", audioOnly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newSites(t, site{platform: "Small"})
			n.answering(t, most+2, tt.video)
			for _, c := range told(t, n.ask(t, n.caller(0), "many", most, 64, tt.video), most) {
				if c.Status != 0 {
					t.Errorf("%+v, want %d calls", c, most)
				}
			}
			n.standing(t, most)
			for i := range 3 {
				wantFull(t, n.one(t, i, 64, tt.video))
			}
			n.standing(t, most)
			n.raised(t, 30023)
			n.hangUp(t)
			n.idle(t)
			if c := n.one(t, 4, 64, tt.video); c.Status != 0 {
				t.Errorf("%+v, want a call when there is room again", c)
			}
			n.hangUp(t)
		})
	}
}

// raised waits until an alarm stands. It is lowered a minute after the last refusal, which
// nothing here waits for.
func (n *node) raised(t *testing.T, number int) {
	t.Helper()
	nodetest.Eventually(t, 30*time.Second, fmt.Sprint("alarm ", number), func() error {
		list, err := n.API.Alarms(t.Context())
		if err == nil && !slices.ContainsFunc(list, func(a alarms.Alarm) bool { return a.Number == number && a.State == alarms.Raised }) {
			err = fmt.Errorf("it is not among %d", len(list))
		}
		return err
	})
}
