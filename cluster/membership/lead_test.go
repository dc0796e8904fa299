package membership_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/settings"
)

// CL-13, CL-22: a peer that is down while its entry is changed from an address to a name may come back without a
// reset, however long it is away; one whose entry is taken off the list may not.
func TestVoterThatIsAway(t *testing.T) {
	const id = "11111111-0000-4000-8000-000000000000"
	const here, there, down = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	for name, tc := range map[string]struct {
		list []string // afterwards
		want []membership.Action
	}{
		"under a name": {[]string{here, there, "c.example.test"}, []membership.Action{membership.Drop{Peer: "c"}}},
		"taken off":    {[]string{here, there}, []membership.Action{membership.Remove{Peer: "c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := membership.New(membership.Config{Self: "a", Stored: membership.Stored{Cluster: id, Decision: 1}})
			var now time.Duration
			step := func(e membership.Event) []membership.Action {
				now += time.Second
				return c.Step(now, e)
			}
			configured := func(list []string) membership.Configured {
				return membership.Configured{Settings: settings.Settings{Name: "cluster", Primary: 1, Peers: list}, Decision: 1}
			}
			step(configured([]string{here, there, down}))
			step(membership.Rules{Acting: true})
			for peer, address := range map[cluster.ID]string{"b": there, "c": down} {
				step(membership.Hello{Peer: peer, Address: address, Cluster: id})
				step(membership.Reachable{Peer: peer, Is: true})
			}
			step(membership.Agreed{Cluster: id, Leader: "a", Voters: []membership.Voter{{ID: "a", Address: here}, {ID: "b", Address: there}, {ID: "c", Address: down}}})
			step(membership.Reachable{Peer: "c"})
			got := step(configured(tc.list))
			for range 90 {
				got = append(got, step(membership.Tick{})...)
			}
			var did []membership.Action
			for _, a := range got {
				switch a.(type) {
				case membership.Remove, membership.Drop:
					if !slices.Contains(did, a) { // it is asked for until it is so
						did = append(did, a)
					}
				}
			}
			if d := cmp.Diff(tc.want, did); d != "" {
				t.Error(d)
			}
		})
	}
}
