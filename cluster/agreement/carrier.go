package agreement

import (
	"io"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
)

// carrier carries what the library says, and keeps failures from adding up: the library waits the longer the more
// often a peer could not be reached, ten seconds in the end, and as long for one that is there again. So it hears of a
// failure only when the peer answers heartbeats again, which go on beside, and never if the peer is met before that:
// then the same is said again. Heartbeats and votes fail at once: by them a leader notices that it is cut off.
type carrier struct {
	*raft.NetworkTransport
	end <-chan struct{} // of the run

	mu    sync.Mutex // guards what follows
	lulls []*lull    // one for each peer at most, as the library asks for one thing of each at a time
	met   uint64     // how often any peer was met: who was met while something failed for it is not waited for
}

var (
	_ raft.Transport   = (*carrier)(nil)
	_ raft.WithPreVote = (*carrier)(nil)
	_ raft.WithClose   = (*carrier)(nil)
)

// lull is a time in which a leader does not reach a peer.
type lull struct {
	peer raft.ServerID
	term uint64
	over chan bool // takes one: whether to try again at once
}

// AppendEntries implements raft.Transport.
func (c *carrier) AppendEntries(id raft.ServerID, at raft.ServerAddress, ask *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) error {
	for {
		met := c.meetings()
		err := c.NetworkTransport.AppendEntries(id, at, ask, answer)
		switch {
		case err == nil && isHeartbeat(ask):
			c.endLulls(false, func(l *lull) bool { return l.peer == id })
			return nil
		case err == nil || isHeartbeat(ask) || !c.wait(id, ask.Term, met):
			return err
		}
	}
}

// InstallSnapshot implements raft.Transport.
func (c *carrier) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, ask *raft.InstallSnapshotRequest, answer *raft.InstallSnapshotResponse, data io.Reader) error {
	met := c.meetings()
	err := c.NetworkTransport.InstallSnapshot(id, at, ask, answer, data)
	if err != nil {
		c.wait(id, ask.Term, met) // some of the data is gone: it is for the library to try again
	}
	return err
}

// isHeartbeat tells heartbeats as the library does where they arrive.
func isHeartbeat(ask *raft.AppendEntriesRequest) bool {
	return ask.PrevLogEntry == 0 && ask.PrevLogTerm == 0 && len(ask.Entries) == 0 && ask.LeaderCommitIndex == 0
}

// meetings returns how many there were.
func (c *carrier) meetings() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.met
}

// wait waits until a peer is there again, or nothing is to be said to it any more in that term. It returns true where the same
// is to be said again, and at once where one was met since what failed began.
func (c *carrier) wait(id raft.ServerID, term, met uint64) bool {
	l := &lull{id, term, make(chan bool, 1)}
	c.mu.Lock()
	if c.met != met {
		c.mu.Unlock()
		return true
	}
	c.lulls = append(c.lulls, l)
	c.mu.Unlock()
	select {
	case again := <-l.over:
		return again
	case <-c.end:
		return false
	}
}

// endLulls ends those that are over.
func (c *carrier) endLulls(again bool, over func(*lull) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lulls = slices.DeleteFunc(c.lulls, func(l *lull) bool {
		if !over(l) {
			return false
		}
		l.over <- again
		return true
	})
}

// lull says whether there is a peer that is not reached.
func (c *carrier) lull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lulls) > 0
}

// Met says that a connection with a peer stands again: what it was not told yet is said at once.
func (a *Agreement) Met(peer cluster.ID) {
	if r := a.running(); r != nil {
		r.carrier.meet(raft.ServerID(peer))
	}
}

func (c *carrier) meet(peer raft.ServerID) {
	c.mu.Lock()
	c.met++
	c.mu.Unlock()
	c.endLulls(true, func(l *lull) bool { return l.peer == peer })
}

// endLulls ends those of terms in which this node does not lead any more, and of peers that were removed.
func (r *run) endLulls() {
	if !r.carrier.lull() {
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
	r.carrier.endLulls(false, func(l *lull) bool { return !leads || l.term != term || !is[l.peer] })
}
