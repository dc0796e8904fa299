package agreement

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"turnpike.dev/turnpike/cluster/membership"
)

// ErrDamaged says that what is on the disk is not what was written (alarm 15005, OP-06).
var ErrDamaged = errors.New("the log of the agreement is damaged")

// openSound opens a history's folder and reads all of its log. The library's database finds a damaged page only when it
// comes across it, and ends the process then: so each is come across here first, where that is an error.
func openSound(dir string, logger hclog.Logger) (s *store, err error) {
	err = guarded(func() error {
		if s, err = openStore(dir, logger); err != nil {
			return err
		}
		return s.readAll()
	})
	if err != nil && s != nil {
		err = errors.Join(err, s.close())
	}
	return s, err
}

// guarded makes what a damaged file does to who reads it an error: its pages are mapped into memory, so that it may be a
// fault as well as a panic.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, what)
		}
	}()
	return do()
}

// readAll reads every line of the log, and the vote.
func (s *store) readAll() error {
	first, err := s.bolt.FirstIndex()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	last, err := s.bolt.LastIndex()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var l raft.Log
	for i := max(first, 1); i <= last; i++ {
		if err := s.bolt.GetLog(i, &l); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrDamaged, i, err)
		}
		if l.Index != i {
			return fmt.Errorf("%w: line %d says that it is %d", ErrDamaged, i, l.Index)
		}
	}
	if _, err = raft.HasExistingState(s.bolt, s.bolt, s.snaps); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Purge removes what was agreed, as far as this node has it, from a folder that no agreement is open on (OP-06). The ids
// that it belonged to stay, where they can still be read: with one of them it is let in again without a reset. It returns them.
func Purge(dir string) ([]string, error) {
	d := disk{dir}
	histories, err := d.List()
	if err != nil {
		return nil, fmt.Errorf("purge the agreement: %w", err)
	}
	stored, _ := readStored(d) // damaged: the folders have names
	ids := stored.IDs()
	for _, id := range histories {
		if validID.MatchString(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	err = writeStored(d, membership.Stored{Earlier: ids[:min(len(ids), membership.MaxEarlier)]})
	if err == nil {
		err = sweep(d, "")
	}
	if err != nil {
		return nil, fmt.Errorf("purge the agreement in %s: %w", filepath.Clean(dir), err)
	}
	return ids, nil
}
