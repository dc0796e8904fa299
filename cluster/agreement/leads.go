package agreement

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/ledger"
	"turnpike.dev/turnpike/cluster/membership"
)

const (
	// verifyEvery is how often a leader asks the others whether it still is one.
	verifyEvery = 300 * time.Millisecond
	// watchEvery is how often the state is looked at, besides when the library says so.
	watchEvery = 250 * time.Millisecond
	// resignTries is how often another leader is looked for until this one starts anew.
	resignTries = 10
)

// lead tells that this node leads: each time after a majority has said so.
func (r *run) lead() {
	defer r.wait.Done()
	every := time.NewTicker(verifyEvery)
	defer every.Stop()
	var ready uint64 // the term of which all before it is applied
	for {
		select {
		case <-r.end:
			return
		case <-every.C:
		}
		term := r.raft.CurrentTerm()
		if r.raft.State() != raft.Leader {
			continue
		}
		if r.forfeited.Load() == term {
			r.resign()
			continue
		}
		if ready != term {
			if r.await(r.raft.Barrier(orderTime)) != nil {
				continue
			}
			ready = term
		}
		r.verify(term)
	}
}

func (r *run) verify(term uint64) {
	at := r.agree.cfg.Boot()
	if r.await(r.raft.VerifyLeader()) != nil || r.raft.CurrentTerm() != term || r.forfeited.Load() == term {
		return
	}
	leads := Leading{r.cluster, ledger.Leads{Term: term, At: at}}
	select {
	case <-r.agree.leads: // nobody took the one before
	default:
	}
	select {
	case r.agree.leads <- leads:
	default:
	}
}

// forfeit ends what this node says of leading in a term, because something that it was to propose in it is
// lost: who waits for it would wait for ever. Another leader, or another term, begins anew.
func (r *run) forfeit(term uint64) {
	for {
		latest := r.forfeited.Load()
		if term <= latest || r.forfeited.CompareAndSwap(latest, term) {
			return // what an earlier term lost may be found out later
		}
	}
}

// await waits for an answer of the library's, or for the end of the run: some of its questions are never
// answered when it shuts down. Who waits for such a one stays behind, and holds nothing but the question.
func (r *run) await(f raft.Future) error {
	answered := make(chan error, 1)
	go func() { answered <- f.Error() }()
	select {
	case err := <-answered:
		return err
	case <-r.end:
		return ErrClosed
	}
}

// resign gets the cluster into another term: by another leader, or, where there is none, by a new start. The library chooses who has most
// of the log; where that is one that is not there, it says so after electionTimeout, and a second try may leave a goroutine behind that
// waits for that peer. Of such tries there are resignTries at most.
func (r *run) resign() {
	if r.await(r.raft.LeadershipTransfer()) == nil {
		return
	}
	if r.resigned++; r.resigned == resignTries {
		go r.agree.restart(r)
	}
}

// watch tells when the state may be another one.
func (r *run) watch() {
	defer r.wait.Done()
	seen := make(chan raft.Observation, 16)
	o := raft.NewObserver(seen, false, nil)
	r.raft.RegisterObserver(o)
	defer r.raft.DeregisterObserver(o)
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		select {
		case <-r.end:
			return
		case <-seen:
		case <-every.C:
		}
		r.endLulls()
		r.agree.notify()
	}
}

// State is how the agreement stands.
func (a *Agreement) State() State {
	a.mu.Lock()
	r, stored, broken := a.run, a.stored, a.broken
	a.mu.Unlock()
	out := State{Agreed: membership.Agreed{Cluster: stored.Cluster}}
	switch {
	case broken != nil:
		out.Why = broken.Error()
	case r == nil && stored.Cluster != "":
		out.Why = "it does not run"
	case r != nil:
		r.state(&out)
	}
	return out
}

func (r *run) state(out *State) {
	_, leader := r.raft.LeaderWithID()
	out.Agreed.Cluster = r.cluster
	out.Agreed.Leader = cluster.ID(leader)
	out.Leads = r.raft.State() == raft.Leader
	out.Term = r.raft.CurrentTerm()
	f := r.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		out.Why = err.Error()
		return
	}
	out.Agreed.Voters = voters(f.Configuration())
	out.Agreed.Removed, out.Applied = r.machine.expelled()
	if !out.Leads {
		out.LastContact = time.Since(r.raft.LastContact())
		if leader == "" {
			out.Why = errNoLeader.Error()
		}
	}
}

var errNoLeader = errors.New("no majority of the peers agrees: nothing new can be granted")
