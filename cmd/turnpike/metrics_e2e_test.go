package main

import (
	"fmt"
	"strings"
	"testing"
)

// ME-05: counters move while a relay lives, and stay when it has ended.
func TestCountersMoveDuringARelay(t *testing.T) {
	s := play(t)
	stream := s.mustOpen(t)
	packets := func() (n int) {
		t.Helper()
		const name = `turnpike_relay_packets_total{direction="up"} `
		for line := range strings.Lines(s.get(t, "/metrics")) {
			if value, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscan(value, &n); err != nil {
					t.Fatal(err)
				}
			}
		}
		return n
	}
	before := packets()
	mustTalk(t, stream, 500)
	during := packets()
	if during-before != 500 {
		t.Errorf("%d packets counted during the relay, want 500", during-before)
	}
	s.command(t, 0, "relay", "kill", fmt.Sprint(s.onlyRelay(t).ID))
	if after := packets(); after < during {
		t.Errorf("the counter fell from %d to %d with the relay's end", during, after)
	}
}
