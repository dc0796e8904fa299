package agreement

import (
	"bytes"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// Pictured takes a snapshot of a state and reads it.
func Pictured(t *ledger.Table, removed []cluster.ID) (*ledger.Table, []cluster.ID, error) {
	m := newMachine("x", nil)
	m.table, m.removed = t, removed
	s, err := m.Snapshot()
	if err != nil {
		return nil, nil, err
	}
	var sink sink
	if err := s.Persist(&sink); err != nil {
		return nil, nil, err
	}
	into := newMachine("x", nil)
	err = into.Restore(io.NopCloser(&sink))
	return into.table, into.removed, err
}

type sink struct{ bytes.Buffer }

func (*sink) ID() string    { return "x" }
func (*sink) Cancel() error { return nil }
func (*sink) Close() error  { return nil }

// Feed gives bytes to what reads lines and snapshots.
func Feed(data []byte) {
	m := newMachine("x", nil)
	m.Apply(&raft.Log{Index: 1, Data: data})
	_ = m.Restore(io.NopCloser(bytes.NewReader(data)))
}

// Ends asks a question that the library never answers, ends the run, and returns what is heard of it.
func Ends() error {
	r := &run{end: make(chan struct{})}
	q := unanswered{make(chan struct{}), make(chan struct{})}
	defer close(q.over)
	heard := make(chan error, 1)
	go func() { heard <- r.await(q) }()
	<-q.asked
	close(r.end)
	return <-heard
}

type unanswered struct{ asked, over chan struct{} }

func (u unanswered) Error() error {
	close(u.asked)
	<-u.over
	return nil
}

// Forfeited gives up terms, and returns up to which nothing is said any more.
func Forfeited(terms ...uint64) uint64 {
	r := new(run)
	for _, term := range terms {
		r.forfeit(term)
	}
	return r.forfeited.Load()
}

// Files is what steps do to the disk.
type Files = files

// OpenOn is Open on other files than a folder's.
func OpenOn(cfg Config, f Files) (*Agreement, error) {
	a := &Agreement{cfg: cfg, files: f, changed: make(chan struct{}, 1), leads: make(chan Leading, 1)}
	return a, a.open()
}

// Folder is a folder's files.
func Folder(dir string) Files { return disk{dir} }

// Lulls is how many peers a leader waits for to answer again.
func (a *Agreement) Lulls() int {
	r := a.running()
	if r == nil {
		return 0
	}
	r.carrier.mu.Lock()
	defer r.carrier.mu.Unlock()
	return len(r.carrier.lulls)
}

// Teller is a leader whose library says one thing to one peer, over streams of a test's, and no heartbeats.
type Teller struct {
	*Agreement
	transport *raft.NetworkTransport
	run       *run
}

// NewTeller returns one.
func NewTeller(s raft.StreamLayer) Teller {
	t := raft.NewNetworkTransport(s, 1, time.Minute, io.Discard)
	r := &run{end: make(chan struct{})}
	r.carrier = &carrier{NetworkTransport: t, end: r.end}
	return Teller{&Agreement{run: r}, t, r}
}

// Tell says it, and returns what the library hears of that.
func (t Teller) Tell(peer cluster.ID) error {
	ask := &raft.AppendEntriesRequest{Term: 1, Entries: []*raft.Log{{Index: 1, Term: 1}}}
	return t.run.carrier.AppendEntries(raft.ServerID(peer), raft.ServerAddress(peer), ask, new(raft.AppendEntriesResponse))
}

// End ends it.
func (t Teller) End() error {
	close(t.run.end)
	t.transport.CloseStreams()
	return t.transport.Close()
}
