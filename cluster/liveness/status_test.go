package liveness_test

import (
	"testing"

	"turnpike.dev/turnpike/cluster/liveness"
)

// CL-17: a peer that is there, in the words of facts A7.3.
func TestActiveAs(t *testing.T) {
	for name, tc := range map[string]struct{ address, resolved, want string }{
		"by name":          {"tp1.example.test", "198.18.0.1", "Active as tp1 (Resolved 'tp1.example.test' as '198.18.0.1')"},
		"by address":       {"198.18.0.1", "198.18.0.1", "Active as tp1"},
		"not resolved yet": {"tp1.example.test", "", "Active as tp1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := liveness.Status{Name: "tp1", Address: tc.address, Resolved: tc.resolved, Life: liveness.Active}
			if got := s.State(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
