package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/member"
	inuse "turnpike.dev/turnpike/control/usage"
)

// CA-04: a peer that has no place left for registrations is named, one that has, or says nothing, is not.
func TestFullPeers(t *testing.T) {
	rows := map[cluster.ID]inuse.Usage{
		"full":  {Registrations: inuse.Amount{Used: 5000, Max: 5000}},
		"over":  {Registrations: inuse.Amount{Used: 5001, Max: 5000}},
		"half":  {Registrations: inuse.Amount{Used: 2500, Max: 5000}},
		"empty": {},
	}
	var peers []member.Peer
	for _, id := range []cluster.ID{"full", "over", "half", "empty", "silent"} {
		peers = append(peers, member.Peer{ID: id, Name: "tp-" + string(id), Address: string(id) + ".example.test"})
	}
	got := fullPeers(peers, func(id cluster.ID) (inuse.Usage, bool) { u, ok := rows[id]; return u, ok })
	want := map[string]string{
		"full.example.test": "tp-full has 5000 of 5000 registrations: endpoints that come to it are refused",
		"over.example.test": "tp-over has 5001 of 5000 registrations: endpoints that come to it are refused",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
