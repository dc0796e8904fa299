package agreement

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// keyTerm is where the library keeps its term.
var keyTerm = []byte("CurrentTerm")

// written is a history's log and votes as the library writes them while it runs. The first write that fails ends the
// run: a leader that can write nothing would keep its followers from choosing another one, and the library ends the process where it
// cannot keep its term. Without this node the others go on; it begins anew when there is room on the disk.
type written struct {
	*raftboltdb.BoltStore
	// failed is told once, and must not wait for the end of the run.
	failed func(error)
	end    <-chan struct{}
	once   sync.Once
}

var (
	_ raft.LogStore    = (*written)(nil)
	_ raft.StableStore = (*written)(nil)
)

// write does what writes; nothing is written any more when the run is over.
func (w *written) write(do func() error) error {
	select {
	case <-w.end:
		return ErrClosed
	default:
	}
	err := do()
	if err != nil {
		w.once.Do(func() { w.failed(err) })
	}
	return err
}

// StoreLog implements raft.LogStore.
func (w *written) StoreLog(l *raft.Log) error { return w.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (w *written) StoreLogs(logs []*raft.Log) error {
	return w.write(func() error { return w.BoltStore.StoreLogs(logs) })
}

// DeleteRange implements raft.LogStore.
func (w *written) DeleteRange(first, last uint64) error {
	return w.write(func() error { return w.BoltStore.DeleteRange(first, last) })
}

// Set implements raft.StableStore.
func (w *written) Set(key, value []byte) error {
	return w.write(func() error { return w.BoltStore.Set(key, value) })
}

// SetUint64 implements raft.StableStore. A term that cannot be kept holds the library up until the run has ended; it may
// believe in it then, because no vote and no line of it is written, and so none is promised.
func (w *written) SetUint64(key []byte, value uint64) error {
	if !bytes.Equal(key, keyTerm) {
		return w.write(func() error { return w.BoltStore.SetUint64(key, value) })
	}
	if before, _ := w.GetUint64(key); before == value { // 0 where there is none yet
		return nil
	}
	if w.write(func() error { return w.BoltStore.SetUint64(key, value) }) != nil {
		<-w.end
	}
	return nil
}

// fail ends a run that cannot write, and has it tried again.
func (a *Agreement) fail(r *run, why error) {
	a.steps.Lock()
	defer a.steps.Unlock()
	if a.closed || a.running() != r {
		return
	}
	why = unwritten(why)
	a.warn("Cluster Agreement", why)
	a.broke(errors.Join(why, a.stop()))
}

func unwritten(why error) error {
	return fmt.Errorf("the log of the agreement cannot be written, it is tried again: %w", why)
}
