package agreement

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// command is what a line of the log says, as it is on disks and between peers. One that a later
// software wrote and this one does not know changes nothing.
type command struct {
	Ledger *entry     `json:"ledger,omitempty"`
	Remove cluster.ID `json:"remove,omitempty"`  // must be reset to join again
	Admit  cluster.ID `json:"readmit,omitempty"` // was reset
}

type entry struct {
	Resource    ledger.Resource     `json:"resource,omitempty"`
	Total       *total              `json:"total,omitempty"`
	Peer        cluster.ID          `json:"peer,omitempty"`
	Incarnation cluster.Incarnation `json:"incarnation,omitempty"`
	Want        *want               `json:"want,omitempty"`
	Free        bool                `json:"free,omitempty"`
	All         bool                `json:"all,omitempty"`
	Hold        time.Duration       `json:"hold,omitempty"`
	Gone        bool                `json:"gone,omitempty"`
}

type total struct {
	Amount    uint32        `json:"amount"`
	Available bool          `json:"available,omitempty"`
	Hold      time.Duration `json:"hold,omitempty"` // nanoseconds
}

type want struct {
	Resource ledger.Resource `json:"resource"`
	Number   uint64          `json:"number"`
	Amount   uint32          `json:"amount"`
	Held     bool            `json:"held,omitempty"`
	Leased   bool            `json:"leased,omitempty"`
	More     bool            `json:"more,omitempty"`
}

func fromEntry(e ledger.Entry) *entry {
	out := &entry{Resource: e.Resource, Peer: e.Peer, Incarnation: e.Incarnation, Free: e.Free, All: e.All, Hold: e.Hold, Gone: e.Gone}
	if e.Total != nil {
		t := fromTotal(*e.Total)
		out.Total = &t
	}
	if e.Want != nil {
		out.Want = &want{e.Want.Resource, e.Want.Number, e.Want.Amount, e.Want.Held, e.Want.Leased, e.Want.More}
	}
	return out
}

func (e *entry) entry() ledger.Entry {
	out := ledger.Entry{Resource: e.Resource, Peer: e.Peer, Incarnation: e.Incarnation, Free: e.Free, All: e.All, Hold: e.Hold, Gone: e.Gone}
	if e.Total != nil {
		t := e.Total.total()
		out.Total = &t
	}
	if e.Want != nil {
		out.Want = &ledger.Want{Resource: e.Want.Resource, Number: e.Want.Number, Amount: e.Want.Amount, Held: e.Want.Held, Leased: e.Want.Leased, More: e.Want.More}
	}
	return out
}

func fromTotal(t ledger.Total) total {
	return total{t.Amount, t.Policy == ledger.Available, t.Hold}
}

func (t total) total() ledger.Total {
	out := ledger.Total{Amount: t.Amount, Hold: t.Hold}
	if t.Available {
		out.Policy = ledger.Available
	}
	return out
}

// machine is what the log amounts to: the ledger's table and who was removed.
type machine struct {
	cluster string

	mu      sync.Mutex
	table   *ledger.Table
	removed []cluster.ID
	index   uint64
	tell    func(Applied) // nil: nobody listens any more
}

var _ raft.FSM = (*machine)(nil)

func newMachine(cluster string, tell func(Applied)) *machine {
	return &machine{cluster: cluster, table: ledger.NewTable(), tell: tell}
}

// Apply is the library's word that a line is agreed on.
func (m *machine) Apply(l *raft.Log) any {
	var c command
	if err := json.Unmarshal(l.Data, &c); err != nil {
		return fmt.Errorf("line %d of the agreement: %w", l.Index, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index = l.Index
	switch {
	case c.Ledger != nil:
		e := c.Ledger.entry()
		m.table.Apply(e)
		m.say(Applied{Cluster: m.cluster, Index: l.Index, Entry: &e})
	case c.Remove != "":
		if !slices.Contains(m.removed, c.Remove) {
			m.removed = append(m.removed, c.Remove)
			slices.Sort(m.removed)
		}
	case c.Admit != "":
		m.removed = slices.DeleteFunc(m.removed, func(id cluster.ID) bool { return id == c.Admit })
	}
	return nil
}

func (m *machine) say(a Applied) {
	if m.tell != nil {
		m.tell(a)
	}
}

// mute ends what Applied tells.
func (m *machine) mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell = nil
}

func (m *machine) copy() (*ledger.Table, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table.Clone(), m.index
}

func (m *machine) expelled() ([]cluster.ID, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.removed), m.index
}

// picture is the format of a snapshot.
type picture struct {
	Version int                         `json:"version"`
	Index   uint64                      `json:"index"`
	Removed []cluster.ID                `json:"removed,omitempty"`
	Totals  map[ledger.Resource]total   `json:"totals,omitempty"`
	Grants  map[cluster.ID][]grantShown `json:"grants,omitempty"`
}

const pictureVersion = 1

type grantShown struct {
	Resource    ledger.Resource     `json:"resource"`
	Incarnation cluster.Incarnation `json:"incarnation"`
	Number      uint64              `json:"number"`
	Amount      uint32              `json:"amount"`
	Freed       bool                `json:"freed,omitempty"`
	Leased      bool                `json:"leased,omitempty"`
	More        bool                `json:"more,omitempty"`
}

// maxPicture bounds a snapshot that is read.
const maxPicture = 16 << 20

// Snapshot pictures the state for the library.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := picture{
		Version: pictureVersion, Index: m.index, Removed: slices.Clone(m.removed),
		Totals: map[ledger.Resource]total{}, Grants: map[cluster.ID][]grantShown{},
	}
	for r, t := range m.table.Totals {
		p.Totals[r] = fromTotal(t)
	}
	for id, of := range m.table.Grants {
		for r, g := range of {
			p.Grants[id] = append(p.Grants[id], grantShown{r, g.Incarnation, g.Number, g.Amount, g.Freed, g.Leased, g.More})
		}
	}
	return p, nil
}

// Persist writes the picture.
func (p picture) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(p); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release ends the picture; nothing is held.
func (picture) Release() {}

// Restore takes a picture's state in place of what is here.
func (m *machine) Restore(from io.ReadCloser) error {
	defer from.Close()
	var p picture
	if err := json.NewDecoder(io.LimitReader(from, maxPicture)).Decode(&p); err != nil {
		return fmt.Errorf("read a snapshot of the agreement: %w", err)
	}
	if p.Version != pictureVersion {
		return fmt.Errorf("read a snapshot of the agreement: its version is %d, this software reads %d", p.Version, pictureVersion)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.table, m.removed, m.index = p.table(), p.Removed, p.Index
	m.say(Applied{Cluster: m.cluster, Index: m.index, Table: m.table.Clone()})
	return nil
}

func (p picture) table() *ledger.Table {
	t := ledger.NewTable()
	for r, n := range p.Totals {
		t.Totals[r] = n.total()
	}
	for id, of := range p.Grants {
		t.Grants[id] = map[ledger.Resource]ledger.Grant{}
		for _, g := range of {
			t.Grants[id][g.Resource] = ledger.Grant{Incarnation: g.Incarnation, Number: g.Number, Amount: g.Amount, Freed: g.Freed, Leased: g.Leased, More: g.More}
		}
	}
	return t
}
