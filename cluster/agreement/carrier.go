package agreement

import (
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// carrier carries what the library says, and keeps failures from adding up: the library waits the longer the more
// often a peer could not be reached, ten seconds in the end, and as long for one that is there again. So it hears of a
// failure only when the peer answers heartbeats again, which go on beside and at least twice a second. Heartbeats and
// votes fail at once: by them a leader notices that it is cut off.
type carrier struct {
	*raft.NetworkTransport
	end <-chan struct{} // of the run

	mu    sync.Mutex
	waits []*lull // guarded by mu: one for each peer at most, as the library asks for one thing of each at a time
}

var (
	_ raft.Transport   = (*carrier)(nil)
	_ raft.WithPreVote = (*carrier)(nil)
	_ raft.WithClose   = (*carrier)(nil)
)

// lull is a time in which a peer cannot be reached by a leader.
type lull struct {
	peer raft.ServerID
	term uint64
	over chan struct{} // closed
}

// AppendEntries implements raft.Transport.
func (c *carrier) AppendEntries(id raft.ServerID, at raft.ServerAddress, ask *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) error {
	err := c.NetworkTransport.AppendEntries(id, at, ask, answer)
	switch {
	case isHeartbeat(ask):
		if err == nil {
			c.endWaits(func(l *lull) bool { return l.peer == id })
		}
	case err != nil:
		c.wait(id, ask.Term)
	}
	return err
}

// InstallSnapshot implements raft.Transport.
func (c *carrier) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, ask *raft.InstallSnapshotRequest, answer *raft.InstallSnapshotResponse, data io.Reader) error {
	err := c.NetworkTransport.InstallSnapshot(id, at, ask, answer, data)
	if err != nil {
		c.wait(id, ask.Term)
	}
	return err
}

// isHeartbeat tells heartbeats as the library does where they arrive.
func isHeartbeat(ask *raft.AppendEntriesRequest) bool {
	return ask.PrevLogEntry == 0 && ask.PrevLogTerm == 0 && len(ask.Entries) == 0 && ask.LeaderCommitIndex == 0
}

// wait waits until a peer answers a heartbeat, or nothing is to be said to it any more in that term.
func (c *carrier) wait(id raft.ServerID, term uint64) {
	l := &lull{id, term, make(chan struct{})}
	c.mu.Lock()
	c.waits = append(c.waits, l)
	c.mu.Unlock()
	select {
	case <-l.over:
	case <-c.end:
	}
}

// endWaits ends those that are over.
func (c *carrier) endWaits(over func(*lull) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.waits[:0]
	for _, l := range c.waits {
		if over(l) {
			close(l.over)
		} else {
			kept = append(kept, l)
		}
	}
	clear(c.waits[len(kept):])
	c.waits = kept
}

// waiting says whether a peer cannot be reached.
func (c *carrier) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waits) > 0
}

// unwait ends the waits of terms in which this node does not lead any more, and those for peers that were removed.
func (r *run) unwait() {
	if !r.carrier.waiting() {
		return
	}
	f := r.raft.GetConfiguration()
	if f.Error() != nil {
		return
	}
	leads, term, is := r.raft.State() == raft.Leader, r.raft.CurrentTerm(), map[raft.ServerID]bool{}
	for _, s := range f.Configuration().Servers {
		is[s.ID] = true
	}
	r.carrier.endWaits(func(l *lull) bool { return !leads || l.term != term || !is[l.peer] })
}
