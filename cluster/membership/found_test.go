package membership_test

import (
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/membership"
	"turnpike.dev/turnpike/cluster/settings"
)

// CL-02: a node that becomes the primary while the operator changes the lists founds nothing before it has heard what the
// others are by then, and nothing at all beside a cluster that lists it.
func TestFoundListensAfterAChange(t *testing.T) {
	const here, there, third = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	const id = "11111111-0000-4000-8000-000000000000"
	all := []string{here, there, third}
	says := func(peer cluster.ID, address, in string, list ...string) membership.Event {
		return membership.Hello{Peer: peer, Address: address, Cluster: in, Settings: settings.Settings{Name: "cluster", Primary: 2, Peers: list}}
	}
	type heard struct {
		after time.Duration // since the change
		event membership.Event
	}
	for name, tc := range map[string]struct {
		before []heard // since the start
		list   []string
		after  []heard
		founds time.Duration // after the change; -1: never
		told   string
	}{
		"alone": {list: []string{here}},
		"nobody answers": {
			list: all, founds: 6 * time.Second,
		},
		"all are new": {
			before: []heard{{0, says("b", there, "", here, there)}}, list: []string{here, there}, founds: 3 * time.Second,
		},
		"one joined meanwhile": {
			before: []heard{{0, says("b", there, "", all...)}, {0, says("c", third, "", all...)}}, list: all,
			after: []heard{{time.Second, says("b", there, id, all...)}}, founds: -1, told: there,
		},
		"a cluster whose list is still another": {
			before: []heard{{0, says("b", there, id, here, there)}, {0, says("c", third, "", all...)}}, list: all, founds: -1, told: there,
		},
		"one that was reset since": {
			before: []heard{{0, says("b", there, id, here, there)}}, list: []string{here, there},
			after: []heard{{4 * time.Second, says("b", there, "", here, there)}}, founds: 4 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := membership.New(membership.Config{Self: "a"})
			founds, now := time.Duration(-1), time.Duration(0)
			step := func(at time.Duration, e membership.Event) {
				for _, a := range c.Step(at, e) {
					if w, ok := a.(membership.Write); ok && w.How == membership.Found {
						founds = at - now
					}
				}
			}
			own := settings.Settings{Name: "cluster", Primary: 2, Peers: all}
			step(0, membership.Configured{Settings: own})
			for _, h := range tc.before {
				step(h.after, h.event)
			}
			now = time.Hour // long after its start
			own.Primary, own.Peers = 1, tc.list
			step(now, membership.Configured{Settings: own, Decision: 1})
			for at := time.Duration(0); at <= 20*time.Second; at += time.Second {
				for _, h := range tc.after {
					if h.after == at {
						step(now+at, h.event)
					}
				}
				step(now+at, membership.Tick{Fresh: id})
			}
			if founds != tc.founds {
				t.Errorf("it founds after %s, and not after %s", founds, tc.founds)
			}
			if d := c.Disagreement(); (tc.told == "") != (d == "") || !strings.HasPrefix(d, tc.told) {
				t.Errorf("it says %q", d)
			}
		})
	}
}
