package member

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/pool"
)

// keepAgain is how long a disk that failed is left alone.
const keepAgain = 5 * time.Second

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
	// Peers are those of the same cluster, as they were met last.
	Peers map[cluster.ID]knownPeer `json:"peers,omitempty"`
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
	if k.Peers == nil {
		k.Peers = map[cluster.ID]knownPeer{}
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

// keeping is how the writes of kept go.
type keeping struct {
	err  error         // why the last one failed; nil: it did not
	owed any           // what is to happen when the next one is durable: it has all that those before it had
	at   time.Duration // when it is tried again
}

// keep makes durable what outlives the process; then happens afterwards.
func (m *Member) keep(then any) { m.disk.post(keep{m.kept.bytes(), then}) }

// wasKept goes on where the state is durable, and has it written again where the disk failed: an operator's
// decision that is not written takes no effect, and must not stay like that.
func (m *Member) wasKept(e keptIs) {
	k := &m.keeping
	then := cmp.Or(e.then, k.owed)
	if k.err = e.err; e.err != nil {
		m.cfg.Log.Error("Cluster State Not Kept", "Detail", e.err)
		k.owed, k.at = then, m.cfg.Boot()+keepAgain
		return
	}
	k.owed, k.at = nil, 0
	if then != nil {
		m.handle(then)
	}
}

// keepDue tries again.
func (m *Member) keepDue(now time.Duration) {
	if k := &m.keeping; k.at != 0 && now >= k.at {
		k.at = 0
		m.keep(k.owed)
	}
}

// unkept says why what outlives the process is not written; empty: it is.
func (m *Member) unkept() string {
	if m.keeping.err == nil {
		return ""
	}
	return m.keeping.err.Error()
}
