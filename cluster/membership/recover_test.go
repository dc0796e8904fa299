package membership_test

import (
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/settings"
)

// CL-12: where two of three voters are there and still nobody leads, because one of them knows of a fourth that has lost its
// log, the operator's word begins a new history. Nothing else does.
func TestStuckAlthoughEnoughAreThere(t *testing.T) {
	const id, next = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
	const here, there, lost = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	for name, tc := range map[string]struct {
		decision uint64
		led      time.Duration // when somebody leads again; 0: never
		want     time.Duration // when it begins a new history; -1: never
	}{
		"as it was":                     {1, 0, -1},
		"made the primary":              {2, 0, 21 * time.Second},
		"made the primary, and elected": {2, 15 * time.Second, -1},
	} {
		t.Run(name, func(t *testing.T) {
			c := membership.New(membership.Config{Self: "b", Stored: membership.Stored{Cluster: id, Decision: 1}})
			agreed := membership.Agreed{Cluster: id, Voters: []membership.Voter{{ID: "a", Address: lost}, {ID: "b", Address: here}, {ID: "d", Address: there}}}
			c.Step(0, membership.Configured{Settings: settings.Settings{Name: "cluster", Primary: 1, Peers: []string{here, there, lost}}, Decision: tc.decision})
			c.Step(0, membership.Rules{Acting: true})
			for peer, address := range map[cluster.ID]string{"a": lost, "d": there} {
				c.Step(0, membership.Hello{Peer: peer, Address: address, Cluster: map[string]string{there: id}[address]})
				c.Step(0, membership.Reachable{Peer: peer, Is: true})
			}
			got := time.Duration(-1)
			for now := time.Second; now <= time.Minute; now += time.Second {
				if tc.led > 0 && now >= tc.led {
					agreed.Leader = "d"
				}
				for _, e := range []membership.Event{agreed, membership.Tick{Fresh: next}} {
					for _, a := range c.Step(now, e) {
						if w, ok := a.(membership.Write); ok && w.How == membership.Recover && got < 0 {
							got = now
						}
					}
				}
			}
			if got != tc.want {
				t.Errorf("it begins a new history after %s, and not after %s", got, tc.want)
			}
		})
	}
}
