package sharing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/control/sharing"
)

// LI-06, BW-05: a status says in words how the node counts, and whom it does not reach.
func TestStatusText(t *testing.T) {
	since := time.Date(2026, 11, 22, 14, 20, 5, 0, time.UTC)
	for want, s := range map[string]sharing.Status{
		"alone: nothing is shared":                                                  {State: sharing.StateAlone},
		"one table for all peers":                                                   {State: sharing.StateShared},
		"one table for all peers; not reached: b":                                   {State: sharing.StateShared, NotReached: []string{"b"}},
		"this side counts for itself":                                               {State: sharing.StateApart},
		"waits for its first share: what is shared is not admitted yet":             {State: sharing.StateWaits},
		"this side counts for itself since 2026-11-22T14:20:05Z; not reached: b, c": {State: sharing.StateApart, Since: &since, NotReached: []string{"b", "c"}},
	} {
		if got := s.Text(); got != want {
			t.Errorf("%+v: got %q, want %q", s, got, want)
		}
	}
}

// Licences that are counted in halves are shown whole, and what is nobody else's has the same figures in both places.
func TestShare(t *testing.T) {
	some := sharing.Share{
		Policy: sharing.PolicyAvailable, Here: sharing.Part{Total: 10, Granted: 5, Used: 3}, Cluster: sharing.Part{Total: 20, Granted: 11, Used: 20},
		Peers: []sharing.Holder{{Peer: "b", Granted: 6, Used: 1}},
	}
	want := sharing.Share{
		Policy: sharing.PolicyAvailable, Here: sharing.Part{Total: 5, Granted: 2.5, Used: 1.5}, Cluster: sharing.Part{Total: 10, Granted: 5.5, Used: 10},
		Peers: []sharing.Holder{{Peer: "b", Granted: 3, Used: 0.5}},
	}
	if diff := cmp.Diff(want, some.In(2)); diff != "" {
		t.Error(diff)
	}
	if !some.Full() || !some.Shared() || some.Peers[0].Granted != 6 {
		t.Errorf("it is full and shared, and stays as it was: %+v", some)
	}
	alone := sharing.Alone(10, 3)
	if alone.Shared() || alone.Full() || alone.Here != alone.Cluster || alone.Here.Figures() != "3/10/10" {
		t.Errorf("alone: %+v", alone)
	}
}

// Refusals are shown in the order of the reasons; what another version counts comes last.
func TestRefusals(t *testing.T) {
	f := sharing.Refusals{"zz": 1, "no_answer": 2, "used_up": 3, "aa": 4, "own_limit": 0}
	var got []string
	for _, r := range f.Shown() {
		got = append(got, r.Name)
	}
	if diff := cmp.Diff([]string{"used_up", "no_answer", "aa", "zz"}, got); diff != "" || f.All() != 10 || f.Text() != "3 used_up, 2 no_answer, 4 aa, 1 zz" {
		t.Errorf("%d in all, %s, shown (-want +got):\n%s", f.All(), f.Text(), diff)
	}
}
