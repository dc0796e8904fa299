// Package usage tells the peers of a cluster how much of each node is in use: calls,
// registrations, relays.
//
// It exists so that an operator sees the whole cluster from any peer (CL-17), and that
// whoever has to choose a node knows where most is free (RG-06), without asking the others:
// each node writes one row, and reads those of its peers. Nothing is decided by it that has
// to be right: a row is a second old. Rows of a peer that is lost are gone.
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

// every is how often a node looks at what it uses. Peers are told when it has changed.
const every = time.Second

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
}

// Rows is cluster/member. Put does not wait for whoever reads rows.
type Rows interface {
	Put(rows.Key, rows.Row)
}

// Table is what each node of the cluster uses.
type Table struct {
	self cluster.ID
	ask  func() Usage

	mu  sync.RWMutex
	now map[cluster.ID]Usage
}

// New returns a table that asks what this node uses.
func New(self cluster.ID, ask func() Usage) *Table {
	return &Table{self: self, ask: ask, now: map[cluster.ID]Usage{}}
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
	for {
		if is := t.Row(); is != told {
			to.Put(Key(t.self), is)
			told = is
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Changed takes which rows there are (member.Watch). It does not wait. A row under the key
// of another node than its owner is left alone, as is one that cannot be read.
func (t *Table) Changed(list []rows.Changed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range list {
		id := cluster.ID(c.Key[min(len(Prefix), len(c.Key)):])
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

// encode writes the version and the amounts in their order; later versions add at the end.
func encode(u Usage) string {
	dst := []byte{rowVersion}
	for _, a := range u.amounts() {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(a.Used)), uint64(a.Max))
	}
	return string(dst)
}

func decode(value string) (u Usage, err error) {
	if value == "" || value[0] != rowVersion {
		return u, errRow
	}
	left := []byte(value[1:min(len(value), 64)])
	for _, a := range u.amounts() {
		for _, to := range []*uint32{&a.Used, &a.Max} {
			n, size := binary.Uvarint(left)
			if size <= 0 || n > math.MaxUint32 {
				return Usage{}, errRow
			}
			*to, left = uint32(n), left[size:]
		}
	}
	return u, nil
}
