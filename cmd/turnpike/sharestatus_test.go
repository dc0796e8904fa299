package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/control/api"
	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/sharing"
)

// cannedShares is the first of three peers that share licences and the lines of two offices. Of room licences it says as a node of the version
// before does how many were refused: without reasons.
type cannedShares struct {
	cannedOccupancy
	status sharing.Status
}

// waitsSince is when the second of three peers began to wait.
var waitsSince = time.Date(2026, 11, 22, 14, 21, 7, 0, time.UTC)

// ofThree is a share of which this node and two peers have some; the third is not reached.
func ofThree(policy, state string, total, granted, used float64) sharing.Share {
	return sharing.Share{
		Policy: policy, State: state, Waiting: 1,
		Here:    sharing.Part{Total: total / 2, Granted: granted, Used: used},
		Cluster: sharing.Part{Total: total, Granted: granted * 2, Used: used * 1.5},
		Peers: []sharing.Holder{
			{Peer: "tp1", Own: true, Granted: granted, Used: used},
			{Peer: "tp2", Granted: granted / 2, Used: used / 2, Waiting: true, Since: &waitsSince},
			{Peer: "198.18.0.3", Away: true, Granted: granted / 2},
		},
	}
}

func (c cannedShares) Bandwidth() occupancy.Report {
	r := c.cannedOccupancy.Bandwidth()
	for i := range r.Objects {
		if o := &r.Objects[i]; o.TotalKbps != nil {
			share := ofThree(sharing.PolicyStrict, c.status.State, float64(*o.TotalKbps), float64(o.GrantedKbps), float64(o.GrantedKbps))
			o.Share, o.Refused, o.Refusals = &share, 2, sharing.Refusals{"no_majority": 2}
		}
	}
	r.Sharing = &c.status
	return r
}

func (c cannedShares) Licences() api.Licences {
	rms := ofThree(sharing.PolicyAvailable, c.status.State, 500, 101, 51).In(2)
	return api.Licences{
		Node: licensedID, Sharing: c.status, Features: []string{}, Keys: []api.OptionKey{}, Issuers: []string{},
		Use: []api.LicenceUse{
			{Name: "calls", Used: 20, Limit: 1000, Share: sharing.Alone(1000, 20)},
			{Name: "traversal", Used: 20, Limit: 1000, Share: sharing.Alone(1000, 20)},
			{Name: "rms", Used: 38.25, Limit: 250, Licensed: true, Refused: 7, Refusals: sharing.Refusals{"used_up": 4, "no_answer": 2, "of_a_later_version": 1}, Share: rms},
			{Name: "room", Used: 10, Limit: 10, Licensed: true, Refused: 3, Share: sharing.Alone(10, 10)},
		},
	}
}

// A node of another version chooses the names of its reasons, and says nothing that a terminal obeys.
func TestReasonsOfAnotherVersion(t *testing.T) {
	for _, e := range xRefusals(sharing.Refusals{"a\x1b[2Jb": 1}) {
		if text := fmt.Sprint(e); strings.ContainsRune(text, '\x1b') {
			t.Errorf("%q", text)
		}
	}
}

// LI-01, BW-04: what peers share, here and in the cluster, who holds it, who waits, and how it is counted.
func TestShareStatus(t *testing.T) {
	since := time.Date(2026, 11, 22, 14, 20, 5, 0, time.UTC)
	one := cannedShares{occupied(t), sharing.Status{State: sharing.StateShared, Waited: sharing.Waited{Requests: 12, InVain: 3, Seconds: 2.4}}}
	two := cannedShares{one.cannedOccupancy, sharing.Status{State: sharing.StateApart, Since: &since, NotReached: []string{"198.18.0.3"}}}
	three := cannedShares{one.cannedOccupancy, sharing.Status{State: sharing.StateWaits}}
	for _, test := range []struct {
		name string
		node cannedShares
		args []string
		code int
	}{
		{"bandwidth_status", one, []string{"bandwidth", "status"}, 3}, // porto's line is used up
		{"bandwidth_status_peers", one, []string{"bandwidth", "status", "lisbon line", "--peers"}, 0},
		{"bandwidth_status_apart", two, []string{"bandwidth", "status", "porto line"}, 3},
		{"licence_status", one, []string{"licence", "status"}, 3}, // no room is left, of this node's own
		{"licence_status_peers", one, []string{"license", "status", "--peers"}, 3},
		{"licence_status_waits", three, []string{"licence", "status"}, 3},
	} {
		state := serveAPI(t, api.New(newCanned(), nil).Measure(test.node).License(test.node))
		for _, format := range []string{"table", "json"} {
			t.Run(fmt.Sprintf("%s_%s", test.name, format), func(t *testing.T) {
				var out bytes.Buffer
				err := run(t.Context(), append(test.args, "--state", state, "-o", format), &out)
				if code := exitCode(err); code != test.code {
					t.Errorf("exit code %d, want %d: %v", code, test.code, err)
				}
				golden(t, filepath.Join("shares", test.name+"."+format), out.String())
			})
		}
	}
}
