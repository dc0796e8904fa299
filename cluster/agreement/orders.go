package agreement

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
)

// maxOrders bounds what may wait to be agreed on.
const maxOrders = 16384 // each peer's first word on each of its pipes and subzones

// orderTime is how long the library may take to begin with something.
const orderTime = 2 * time.Second

// order is something for the leader to do, in its turn.
type order struct {
	term uint64
	do   func(r *run) error
	// Or a proposal, that must not get lost while this node leads in that term.
	proposal []byte
}

// proposal is a line that was handed to the library.
type proposal struct {
	term uint64
	done raft.ApplyFuture
}

// Propose asks for agreement on an entry. It is applied, or this node says no more that it leads in this term.
func (a *Agreement) Propose(e ledger.Entry) error {
	data, err := json.Marshal(command{Ledger: fromEntry(e)})
	if err != nil {
		return err
	}
	return a.give(order{proposal: data})
}

// Add makes a peer a voter, or corrects the entry of the list that it stands at. What came of it, State tells.
func (a *Agreement) Add(id cluster.ID, address string) error {
	return a.give(order{do: func(r *run) error {
		return r.await(r.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, orderTime))
	}})
}

// Remove takes a voter away, and remembers that it must be reset to join again.
func (a *Agreement) Remove(id cluster.ID) error {
	data, err := json.Marshal(command{Remove: id})
	if err != nil {
		return err
	}
	return a.give(order{do: func(r *run) error {
		if err := r.apply(data); err != nil {
			return err
		}
		return r.await(r.raft.RemoveServer(raft.ServerID(id), 0, orderTime))
	}})
}

// Drop takes a voter away that has lost what was agreed.
func (a *Agreement) Drop(id cluster.ID) error {
	return a.give(order{do: func(r *run) error {
		return r.await(r.raft.RemoveServer(raft.ServerID(id), 0, orderTime))
	}})
}

// Readmit takes back that a peer was removed.
func (a *Agreement) Readmit(id cluster.ID) error {
	data, err := json.Marshal(command{Admit: id})
	if err != nil {
		return err
	}
	return a.give(order{do: func(r *run) error { return r.apply(data) }})
}

// Transfer hands over the leadership.
func (a *Agreement) Transfer(to cluster.ID) error {
	return a.give(order{do: func(r *run) error {
		return r.await(r.raft.LeadershipTransferToServer(raft.ServerID(to), raft.ServerAddress(to)))
	}})
}

// give puts an order in the queue of the leader's goroutine.
func (a *Agreement) give(o order) error {
	r := a.running()
	if r == nil {
		return ErrClosed
	}
	if r.raft.State() != raft.Leader {
		return ErrNotLeader
	}
	o.term = r.raft.CurrentTerm()
	select {
	case r.orders <- o:
		return nil
	default:
		if o.proposal != nil {
			r.forfeit(o.term)
		}
		return errors.New("too much waits for agreement: the disk or the other peers are slow")
	}
}

// obey carries orders out, one by one.
func (r *run) obey() {
	defer r.wait.Done()
	for {
		select {
		case <-r.end:
			return
		case o := <-r.orders:
			r.carryOut(o)
		}
	}
}

func (r *run) carryOut(o order) {
	if r.raft.State() != raft.Leader || r.raft.CurrentTerm() != o.term {
		return // another leader proposes anew
	}
	if o.proposal != nil {
		// The next one does not wait for it: a round trip for each would be twelve in a second.
		select {
		case r.pending <- proposal{o.term, r.raft.Apply(o.proposal, orderTime)}:
		case <-r.end:
		}
		return
	}
	if err := o.do(r); err != nil {
		r.agree.warn("Cluster Agreement", err)
	}
	r.agree.notify()
}

// settle looks at what came of proposals.
func (r *run) settle() {
	defer r.wait.Done()
	for {
		select {
		case <-r.end:
			return
		case p := <-r.pending:
			if r.await(p.done) != nil {
				r.forfeit(p.term)
			}
		}
	}
}

// apply has a line agreed on.
func (r *run) apply(data []byte) error {
	return r.await(r.raft.Apply(data, orderTime))
}
