package wire_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/wire"
)

// LI-06: what is counted in a provisional ledger says so on its way, and is not taken for what is agreed.
func TestHistoriesTravel(t *testing.T) {
	under := ledger.History{Leader: "a", Incarnation: 7, Number: 3}
	for name, m := range map[string]any{
		"beat":   ledger.Beat{Incarnation: 1, Seq: 2, Under: under, Cluster: "id"},
		"lead":   ledger.Lead{Incarnation: 1, Echo: 2, Under: under, Cluster: "id"},
		"recall": ledger.Recall{Of: map[ledger.Resource]uint32{"rms": 4}, Under: under, Cluster: "id"},
		"agreed": ledger.Recall{Term: 9, Of: map[ledger.Resource]uint32{"rms": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			frame, err := wire.Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := wire.Decode(frame[4:]) // after the length
			if diff := cmp.Diff(m, back); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func grants(n int) map[ledger.Resource]ledger.Grant {
	out := map[ledger.Resource]ledger.Grant{}
	for i := range n {
		out[ledger.Resource(fmt.Sprint("pipe ", i))] = ledger.Grant{}
	}
	return out
}

func recalled(n int) map[ledger.Resource]uint32 {
	out := map[ledger.Resource]uint32{}
	for r := range grants(n) {
		out[r] = 0
	}
	return out
}
