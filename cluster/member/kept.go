package member

import (
	"encoding/json"
	"fmt"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/pool"
)

// kept is what outlives the process.
type kept struct {
	Incarnation cluster.Incarnation `json:"incarnation"`
	// Decision counts the operator's changes of the primary, Primary is the last one decided on.
	Decision uint64     `json:"decision"`
	Primary  cluster.ID `json:"primary"`
	// Entries says who answered at which entry of the list, so that a primary that is away has a name.
	Entries map[string]cluster.ID `json:"entries"`
	// Pool is what peers brought, and for how long they have been lost.
	Pool map[cluster.ID]pool.Kept `json:"pool,omitempty"`
}

// restore reads what was kept, and numbers this life: later than the one before, and later than all
// before it where the machine was put back to an old image.
func restore(data []byte, now time.Time) (kept, error) {
	k := kept{Entries: map[string]cluster.ID{}}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &k); err != nil {
			return k, fmt.Errorf("read what the cluster kept: %w: remove the file, the cluster brings the rest back", err)
		}
	}
	if k.Entries == nil {
		k.Entries = map[string]cluster.ID{}
	}
	k.Incarnation = max(k.Incarnation+1, cluster.Incarnation(max(0, now.Unix())))
	return k, nil
}

func (k kept) bytes() []byte {
	data, err := json.Marshal(k)
	if err != nil {
		panic(err) // numbers and texts
	}
	return data
}
