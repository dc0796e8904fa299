package main

import (
	"testing"

	"turnpike.dev/turnpike/control/clustering"
)

// CL-20: a peer is restarted by its entry, and not by a place that may be another's in the list that the node runs with.
func TestPeerAt(t *testing.T) {
	st := clustering.Status{Peers: []clustering.Peer{{Index: 1, Address: "a.example.test"}, {Index: 2, Address: "b.example.test"}}}
	for address, want := range map[string]int{"a.example.test": 1, "B.example.test": 2, "c.example.test": 0} {
		if p, err := peerAt(st, address); p.Index != want || (err == nil) != (want > 0) {
			t.Errorf("%s is at %d (%v), want %d", address, p.Index, err, want)
		}
	}
}
