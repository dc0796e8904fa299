// Package usage tells the peers of a cluster how much of each node is in use: calls,
// registrations, relays.
//
// It exists so that an operator sees the whole cluster from any peer (CL-17), and that
// whoever has to choose a node knows where most is free (RG-06; a TURN client that this one
// has no relay for), without asking the others: each node writes one row, and reads those of
// its peers. Nothing is decided by it that has to be right: a row is a second old. Rows of a
// peer that is lost are gone.
package usage

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/rows"
)

// Prefix is what the keys of usage begin with.
const Prefix = "u/"

const (
	// every is how often a node looks at what it uses. Peers are told when it has changed.
	every = time.Second
	// soonest is how often it does at most, when it has reason to (Soon).
	soonest = 100 * time.Millisecond
)

// Amount is how much of something is in use, and of how much. Max 0 is none.
type Amount struct {
	Used uint32 `json:"used"`
	Max  uint32 `json:"max"`
}

// Free is what is left.
func (a Amount) Free() uint32 { return a.Max - min(a.Used, a.Max) }

// Usage is what a node uses.
type Usage struct {
	Calls         Amount `json:"calls"` // media sessions (RG-06)
	Registrations Amount `json:"registrations"`
	Relays        Amount `json:"relays"`
	TURN          TURN   `json:"-"`
}

// Rows is cluster/member. Put does not wait for whoever reads rows.
type Rows interface {
	Put(rows.Key, rows.Row)
}

// Table is what each node of the cluster uses.
type Table struct {
	self cluster.ID
	ask  func() Usage
	soon chan struct{}

	mu   sync.RWMutex // guards what follows
	now  map[cluster.ID]Usage
	sent map[cluster.ID]sent
}

// New returns a table that asks what this node uses.
func New(self cluster.ID, ask func() Usage) *Table {
	return &Table{
		self: self, ask: ask, soon: make(chan struct{}, 1),
		now: map[cluster.ID]Usage{}, sent: map[cluster.ID]sent{},
	}
}

// Key is that of a node's row: nobody else writes it.
func Key(id cluster.ID) rows.Key { return rows.Key(Prefix + string(id)) }

// Row is this node's as it is now.
func (t *Table) Row() rows.Row { return rows.Row{Value: encode(t.ask())} }

// Run tells the peers what this node uses until ctx ends.
func (t *Table) Run(ctx context.Context, to Rows) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var told rows.Row
	var rest <-chan time.Time // after it was told soon
	for {
		if is := t.Row(); is != told {
			to.Put(Key(t.self), is)
			told = is
		}
		soon := t.soon
		if rest != nil {
			soon = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-soon:
			rest = time.After(soonest)
		case <-rest:
			rest = nil
		}
	}
}

// Soon has the peers told soon of what this node uses by now: it is full, or takes nobody any
// more. It does not wait.
func (t *Table) Soon() {
	select {
	case t.soon <- struct{}{}:
	default:
	}
}

// Changed takes which rows there are (member.Watch). It does not wait. A row under the key
// of another node than its owner is left alone, as is one that cannot be read.
func (t *Table) Changed(list []rows.Changed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range list {
		id := cluster.ID(c.Key[min(len(Prefix), len(c.Key)):])
		t.settle(id)
		u, err := decode(c.Row.Value)
		if !c.Found || err != nil || c.Owner != id {
			delete(t.now, id)
			continue
		}
		t.now[id] = u
	}
}

// Of returns what a node uses; ok is false where it is not there.
func (t *Table) Of(id cluster.ID) (u Usage, ok bool) {
	if id == t.self {
		return t.ask(), true
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	u, ok = t.now[id]
	return u, ok
}

const rowVersion = 1

var errRow = errors.New("it is no usage as this version writes it")

func (u *Usage) amounts() []*Amount { return []*Amount{&u.Calls, &u.Registrations, &u.Relays} }

// encode writes the version, the amounts in their order and where TURN is; later versions add at the end.
func encode(u Usage) string {
	dst := []byte{rowVersion}
	for _, a := range u.amounts() {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(a.Used)), uint64(a.Max))
	}
	return string(u.TURN.append(dst))
}

func decode(value string) (u Usage, err error) {
	if value == "" || value[0] != rowVersion {
		return u, errRow
	}
	r := reader{left: []byte(value[1:min(len(value), maxRow)])}
	for _, a := range u.amounts() {
		a.Used, a.Max = uint32(r.number(math.MaxUint32)), uint32(r.number(math.MaxUint32))
	}
	if r.failed {
		return Usage{}, errRow
	}
	if len(r.left) > 0 { // what came before TURN was told ends here
		u.TURN = parseTURN(r.left)
	}
	return u, nil
}
