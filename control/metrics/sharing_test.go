package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"

	"turnpike.dev/turnpike/control/occupancy"
	"turnpike.dev/turnpike/control/sharing"
)

// sharesOf is a share of something of which there is so much, that is over its total.
func sharesOf(total float64) sharing.Share {
	return sharing.Share{
		Policy: sharing.PolicyAvailable, State: sharing.StateOver, Waiting: 2,
		Here:    sharing.Part{Total: total / 3, Granted: total / 2, Used: 4},
		Cluster: sharing.Part{Total: total, Granted: 2 * total, Used: 16},
	}
}

func sharedObjects() []occupancy.Object {
	all := bandwidthOf()
	for i := range all {
		if all[i].TotalKbps != nil {
			share := sharesOf(float64(*all[i].TotalKbps))
			all[i].Share = &share
		}
	}
	return all
}

// LI-01, BW-04: what is shared is shown of this node and of the cluster; what only this node has is the same in both.
func TestSharing(t *testing.T) {
	shared, alone := sharesOf(2000), sharing.Alone(4000, 2000)
	half, full := object("subzone", "half", 4000), object("pipe", "full", 2000)
	half.Share, full.Share = &alone, &shared
	w := httptest.NewRecorder()
	Handler(snapshot{
		Bandwidth: []occupancy.Object{half, full, object("link", "free", -1)}, BandwidthRefusals: sharing.Refusals{"used_up": 3, "own_limit": 6},
		Resources: []Resource{{Name: "room", Refusals: sharing.Refusals{"own_limit": 7}, Share: sharing.Alone(10, 3)}, {Name: "rms", Share: sharesOf(30)}},
		Sharing:   sharing.Status{State: sharing.StateApart, Waited: sharing.Waited{Requests: 12, InVain: 3, Seconds: 2.4}}, Recalls: 5,
	}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	got := w.Body.String()
	for _, want := range []string{
		`turnpike_shared_amount{resource="rms",where="here"} 10`,
		`turnpike_shared_amount{resource="rms",where="cluster"} 30`,
		`turnpike_shared_granted{resource="rms",where="here"} 15`, `turnpike_shared_used{resource="room",where="cluster"} 3`,
		`turnpike_shared_used{resource="rms",where="cluster"} 16`,
		`turnpike_bandwidth_shared_granted_bytes_per_second{object="pipe full",where="here"} 125000`,
		`turnpike_bandwidth_shared_used_bytes_per_second{object="pipe full",where="cluster"} 2000`,
		`turnpike_bandwidth_shared_used_bytes_per_second{object="subzone half",where="cluster"} 250000`,
		`turnpike_resource_refused_total{reason="own_limit",resource="room"} 7`, `turnpike_resource_refused_total{reason="no_answer",resource="rms"} 0`,
		`turnpike_bandwidth_refused_total{reason="own_limit"} 6`, `turnpike_bandwidth_refused_total{reason="used_up"} 3`, `turnpike_bandwidth_refused_total{reason="damaged"} 0`,
		"turnpike_shared_requests_waiting 4\n", "turnpike_cluster_shares_too_many 2\n", "turnpike_cluster_counts_apart 1\n", "turnpike_cluster_share_missing 0\n",
		"turnpike_shared_waits_total 12\n", "turnpike_shared_waits_in_vain_total 3\n", "turnpike_shared_wait_seconds_total 2.4\n", "turnpike_shared_recalls_total 5\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, `reason="no_answer",resource="room"`) {
		t.Error("what nobody shares is refused for want of peers")
	}
}
