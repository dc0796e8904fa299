package agreement

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"turnpike.dev/turnpike/cluster"
)

// Times of the agreement, for a round trip of 80 ms (CL-09): a leader is heard every 100 to 200 ms, three such
// and a late answer fit into the lease, and an election into ten round trips.
const (
	heartbeatTimeout = 1000 * time.Millisecond
	electionTimeout  = 1000 * time.Millisecond
	leaseTimeout     = 800 * time.Millisecond
	commitTimeout    = 50 * time.Millisecond
	rpcTimeout       = 5 * time.Second
	// snapshotEvery and snapshotAfter keep the log short: a table is a few kilobytes.
	snapshotEvery = 2 * time.Minute
	snapshotAfter = 4096
	trailing      = 1024
	snapshotsKept = 2
)

// store is the disk of one history.
type store struct {
	bolt  *raftboltdb.BoltStore
	snaps raft.SnapshotStore
}

// openStore opens a history's folder, or makes it.
func openStore(dir string, logger hclog.Logger) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, "log"), MsgpackUseNewTimeFormat: true})
	if err != nil {
		return nil, fmt.Errorf("open the log of the agreement: %w", err)
	}
	snaps, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the snapshots of the agreement: %w", err), bolt.Close())
	}
	return &store{bolt, snaps}, nil
}

// used says whether anything was ever written.
func (s *store) used() bool {
	is, err := raft.HasExistingState(s.bolt, s.bolt, s.snaps)
	return is || err != nil
}

func (s *store) close() error { return s.bolt.Close() }

// raftConfig is what the library is told.
func raftConfig(self cluster.ID, logger hclog.Logger) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(self)
	c.HeartbeatTimeout, c.ElectionTimeout = heartbeatTimeout, electionTimeout
	c.LeaderLeaseTimeout, c.CommitTimeout = leaseTimeout, commitTimeout
	c.SnapshotInterval, c.SnapshotThreshold, c.TrailingLogs = snapshotEvery, snapshotAfter, trailing
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.Logger = logger
	return c
}

// run is the library at work on one history.
type run struct {
	cluster string
	agree   *Agreement
	machine *machine
	store   *store
	streams *streams
	carrier *carrier
	raft    *raft.Raft
	orders  chan order
	// forfeited is the latest term in which a proposal got lost.
	forfeited atomic.Uint64
	resigned  int // of lead alone
	// pending are proposals in their order, of which it is not known yet what comes of them.
	pending chan proposal
	end     chan struct{}
	wait    sync.WaitGroup
}

// start takes part in the history that is on the disk.
func (a *Agreement) start(id string) (_ *run, err error) {
	logger := a.logger()
	s, err := openSound(a.files.Path(id), logger)
	if err != nil {
		return nil, err
	}
	r := &run{
		cluster: id, agree: a, store: s, machine: newMachine(id, a.cfg.Applied), streams: newStreams(a.cfg, id),
		orders: make(chan order, maxOrders), pending: make(chan proposal, maxOrders), end: make(chan struct{}),
	}
	r.carrier = &carrier{end: r.end, NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: provider{}, Logger: logger, Stream: r.streams, MaxPool: 2, Timeout: rpcTimeout,
		MsgpackUseNewTimeFormat: true,
	})}
	w := &written{BoltStore: s.bolt, end: r.end, failed: func(err error) { go a.fail(r, err) }}
	begin := func() (err error) {
		r.raft, err = raft.NewRaft(raftConfig(a.cfg.Self, logger), r.machine, w, w, s.snaps, r.carrier)
		return err
	}
	if err := guarded(begin); err != nil {
		return nil, errors.Join(fmt.Errorf("start the agreement: %w", err), r.carrier.Close(), s.close())
	}
	r.wait.Add(4)
	go r.watch()
	go r.lead()
	go r.obey()
	go r.settle()
	return r, nil
}

// close ends the library, then what it used.
func (r *run) close() error {
	close(r.end)
	err := r.raft.Shutdown().Error()
	r.machine.mute()
	r.carrier.CloseStreams()
	err = errors.Join(err, r.carrier.Close())
	r.streams.closeAll()
	r.wait.Wait()
	return errors.Join(err, r.store.close())
}

// logger lets the library say what is serious.
func (a *Agreement) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: lines{a.cfg.Log}, DisableTime: true})
}

// lines are what the library writes.
type lines struct{ log Log }

func (l lines) Write(p []byte) (int, error) {
	if l.log != nil {
		l.log.Warn("Cluster Agreement", "Detail", strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

var _ io.Writer = lines{}
