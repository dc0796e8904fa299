package troubles_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/revisions"
	"turnpike.dev/turnpike/cluster/settings"
	"turnpike.dev/turnpike/cluster/troubles"
)

const there = "peer2.example.test"

// view is of a node whose cluster of two is well.
func view() troubles.View {
	own := settings.Settings{
		Name: "cluster1.example.test", Primary: 2, IP: "ipv4", TLS: "permissive", Peers: []string{"10.0.0.1", there},
		Role: "core", Platform: "small", Software: "1.0", Protocol: 1,
	}
	theirs := own
	return troubles.View{
		Own: own, ActiveTLS: "permissive",
		Peers: []troubles.Peer{
			{Status: liveness.Status{Index: 1, Address: "10.0.0.1", Own: true}},
			{Status: liveness.Status{Index: 2, Address: there, Peer: "two", Life: liveness.Active}, Settings: &theirs, Joined: true},
		},
	}
}

// CL-01, CL-16, AL-01: each alarm has one cause here, and names the item and the peer.
func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*troubles.View)
		want   []troubles.Trouble
	}{
		"all is well": {func(*troubles.View) {}, nil},
		"own address absent": {func(v *troubles.View) { v.Index = -1 }, []troubles.Trouble{
			{20003, "", "no entry of cluster.peers is an address of this node"},
			{20015, "", "cluster.peers is 10.0.0.1, peer2.example.test"},
		}},
		"one entry twice": {func(v *troubles.View) { v.Own.Peers = append(v.Own.Peers, "10.0.0.1") }, []troubles.Trouble{
			{20003, "", "entries 1 and 3 of cluster.peers are both 10.0.0.1"},
			{20012, there, "cluster.peers is 10.0.0.1, peer2.example.test, 10.0.0.1 here and 10.0.0.1, peer2.example.test there"},
		}},
		"one node twice": {func(v *troubles.View) { v.Peers[1].Also = "10.0.0.3" }, []troubles.Trouble{
			{20003, "", "peer2.example.test is the same node as 10.0.0.3"},
		}},
		"not tried yet": {func(v *troubles.View) { v.Peers[1].Life, v.Own.Primary = liveness.Unknown, 1 }, nil},
		"not reached": {func(v *troubles.View) { v.Peers[1].Life, v.Peers[1].Why = liveness.Unknown, "connection refused" }, []troubles.Trouble{
			{20004, there, "connection refused"},
			{20016, "", "the primary is peer2.example.test"},
		}},
		"lost": {func(v *troubles.View) { v.Peers[1].Life, v.Own.Primary = liveness.Lost, 1 }, []troubles.Trouble{
			{20004, there, "no heartbeats go both ways"},
		}},
		"a name that is none": {func(v *troubles.View) {
			v.Peers[1].Life, v.Own.Primary, v.Peers[1].Why, v.Peers[1].Unresolved = liveness.Unknown, 1, "no such host", "no such host"
		}, []troubles.Trouble{{20004, there, "no such host"}, {20005, there, "no such host"}}},
		"blocked ports": {func(v *troubles.View) { v.Peers[1].Blocked = []string{"4371", "4372"} }, []troubles.Trouble{
			{20021, there, "not reached: 4371, 4372"},
		}},
		"rows":            {func(v *troubles.View) { v.Peers[1].Rows = "a copy is being made" }, []troubles.Trouble{{20006, there, "a copy is being made"}}},
		"not joined":      {func(v *troubles.View) { v.Peers[1].Rows, v.Peers[1].Joined = "a copy is being made", false }, nil},
		"restart":         {func(v *troubles.View) { v.Restart = []string{"cluster.peers"} }, []troubles.Trouble{{20007, "", "cluster.peers takes effect at the next start"}}},
		"other TLS, runs": {func(v *troubles.View) { v.ActiveTLS = "enforce" }, []troubles.Trouble{{20007, "", "cluster_tls takes effect at the next start"}, {20020, "", "cluster_tls is permissive, this process runs with enforce"}}},
		"software":        {func(v *troubles.View) { v.Peers[1].Settings.Software = "2.0" }, []troubles.Trouble{{20008, there, "software is 1.0 here and 2.0 there"}}},
		"two items": {func(v *troubles.View) { v.Peers[1].Settings.Name, v.Peers[1].Settings.IP = "", "ipv6" }, []troubles.Trouble{
			{20012, there, "cluster.name is cluster1.example.test here and empty there; cluster.ip is ipv4 here and ipv6 there"},
		}},
		"other primary": {func(v *troubles.View) { v.Peers[1].Settings.Primary = 1 }, []troubles.Trouble{{20017, there, "cluster.primary is 2 here and 1 there"}}},
		"what a lost one said": {func(v *troubles.View) {
			v.Peers[1].Life, v.Peers[1].Settings.Name, v.Own.Primary = liveness.Lost, "b.test", 1
		}, []troubles.Trouble{{20004, there, "no heartbeats go both ways"}}},
		"disk full":             {func(v *troubles.View) { v.Configuration.Unwritten = "no space" }, []troubles.Trouble{{20009, "", "the configuration could not be written: no space"}}},
		"state not kept":        {func(v *troubles.View) { v.Unkept = "no space" }, []troubles.Trouble{{20009, "", "the state of the cluster could not be written, it is tried again: no space"}}},
		"a document is refused": {func(v *troubles.View) { v.Refused = "zones.3" }, []troubles.Trouble{{20009, "", "the primary's configuration does not fit here: zones.3"}}},
		"the rest of revisions": {func(v *troubles.View) {
			v.Configuration = revisions.Faults{Silent: "s", Forgot: "f", Deposed: "d", Conflict: "c", Damaged: "x"}
		}, []troubles.Trouble{{20011, "", "c"}, {20014, "", "f"}, {20016, "", "s"}, {20017, "", "d"}, {20025, "", "x"}}},
		"no name, no H.323, no agreement": {func(v *troubles.View) {
			v.Own.Name, v.Peers[1].Settings.Name, v.NoH323, v.Disagreement, v.Frozen = "", "", true, "two ids", "index 7"
		}, []troubles.Trouble{{20018, "", "h323.mode is off"}, {20019, "", "cluster.name is empty"}, {20024, "", "two ids"}, {20026, "", "index 7"}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := view()
			tc.change(&v)
			if diff := cmp.Diff(tc.want, troubles.Judge(v)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	was := []troubles.Trouble{{20004, "a", "refused"}, {20004, "b", "refused"}, {20019, "", "empty"}}
	is := []troubles.Trouble{{20004, "a", "refused"}, {20004, "b", "silent"}, {20016, "", "a"}}
	raise, lower := troubles.Changes(was, is)
	if diff := cmp.Diff([]troubles.Trouble{{20004, "b", "silent"}, {20016, "", "a"}}, raise); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]troubles.Trouble{{20019, "", "empty"}}, lower); diff != "" {
		t.Error(diff)
	}
}
