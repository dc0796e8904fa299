package agreement

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster"
	"turnpike.dev/turnpike/cluster/membership"
)

// Write makes a step of membership: when it returns without an error it is durable and the agreement runs
// by it. It blocks. A process that dies meanwhile comes back before the step or after it.
func (a *Agreement) Write(w membership.Write) error {
	if !validID.MatchString(w.Stored.Cluster) {
		return fmt.Errorf("%q is no id of a cluster", w.Stored.Cluster)
	}
	a.steps.Lock()
	defer a.steps.Unlock()
	before := a.Stored()
	if w.How == membership.Settle {
		if w.Stored.Cluster != before.Cluster {
			return errors.New("the cluster's id has changed meanwhile")
		}
		return a.commit(w.Stored)
	}
	if w.Stored.Cluster == before.Cluster {
		return a.begin() // done already; that it runs may have failed
	}
	err := a.stop() // nothing of the old history is said any more
	if err == nil {
		err = a.prepare(w, before)
	}
	if err == nil {
		err = a.files.Sync(w.Stored.Cluster)
	}
	if err == nil {
		err = a.commit(w.Stored)
	}
	now := a.Stored()
	if swept := sweep(a.files, now.Cluster); err == nil {
		err = swept
	}
	return errors.Join(err, a.resume(now.Cluster))
}

// validID is what may be the name of a folder.
var validID = regexp.MustCompile(`^[0-9a-f][0-9a-f-]{7,63}$`)

// commit is the moment of the step.
func (a *Agreement) commit(s membership.Stored) error {
	if err := writeStored(a.files, s); err != nil {
		return fmt.Errorf("write which cluster this node belongs to: %w", err)
	}
	a.mu.Lock()
	a.stored = s
	a.mu.Unlock()
	return nil
}

// resume runs what counts now, be it the old or the new.
func (a *Agreement) resume(id string) error {
	defer a.notify()
	if id == "" {
		return nil
	}
	r, err := a.start(id)
	a.mu.Lock()
	a.run, a.broken = r, err
	a.mu.Unlock()
	if err != nil {
		a.later = time.AfterFunc(beginAgain, a.retry)
	}
	return err
}

// broke notes why nothing runs, and has it tried again. a.steps is held.
func (a *Agreement) broke(why error) {
	a.mu.Lock()
	a.broken = why
	a.mu.Unlock()
	a.later = time.AfterFunc(beginAgain, a.retry)
	a.notify()
}

// beginAgain is how long a history that could not be run is left alone.
const beginAgain = 2 * time.Second

// begin runs the history that counts where nothing runs. a.steps is held.
func (a *Agreement) begin() error {
	if a.closed || a.running() != nil {
		return nil
	}
	if a.later != nil {
		a.later.Stop()
	}
	if err := a.files.Room(); err != nil { // else it would come and go, and keep the others from their work
		a.broke(unwritten(err))
		return err
	}
	return a.resume(a.Stored().Cluster)
}

// retry runs the history that counts where that has failed: a full disk is not full for ever.
func (a *Agreement) retry() {
	a.steps.Lock()
	defer a.steps.Unlock()
	_ = a.begin() // State says why, and it is tried again
}

// restart begins anew with the same history, as a start of the process does.
func (a *Agreement) restart(r *run) {
	a.steps.Lock()
	defer a.steps.Unlock()
	if a.running() != r {
		return
	}
	err := a.stop()
	if err = errors.Join(err, a.resume(r.cluster)); err != nil {
		a.warn("Cluster Agreement", err)
	}
}

// prepare makes the new history's folder, beside the old one.
func (a *Agreement) prepare(w membership.Write, before membership.Stored) error {
	id := w.Stored.Cluster
	var err error
	switch {
	case w.How == membership.Recover && before.Cluster != "":
		err = a.files.Copy(before.Cluster, id)
	default:
		err = a.files.Remove(id)
	}
	if err != nil {
		return fmt.Errorf("prepare a new history of the agreement: %w", err)
	}
	logger := a.logger()
	s, err := openStore(a.files.Path(id), logger)
	if err != nil {
		return err
	}
	alone := raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter, ID: raft.ServerID(a.cfg.Self), Address: raft.ServerAddress(w.Address),
	}}}
	if w.How == membership.Recover && !s.used() {
		w.How = membership.Found // it has joined, and nothing came of it
	}
	switch w.How {
	case membership.Found:
		err = raft.BootstrapCluster(raftConfig(a.cfg.Self, logger), s.bolt, s.bolt, s.snaps, a.nowhere(), alone)
	case membership.Recover:
		err = raft.RecoverCluster(raftConfig(a.cfg.Self, logger), newMachine(id, nil), s.bolt, s.bolt, s.snaps, a.nowhere(), alone)
	}
	if err != nil {
		err = fmt.Errorf("begin a new history of the agreement: %w", err)
	}
	return errors.Join(err, s.close())
}

// nowhere is a transport that only knows how peers are written down.
func (a *Agreement) nowhere() raft.Transport {
	_, t := raft.NewInmemTransport(raft.ServerAddress(a.cfg.Self))
	return t
}

func voters(c raft.Configuration) []membership.Voter {
	var out []membership.Voter
	for _, s := range c.Servers {
		if s.Suffrage == raft.Voter {
			out = append(out, membership.Voter{ID: cluster.ID(s.ID), Address: string(s.Address)})
		}
	}
	return out
}
