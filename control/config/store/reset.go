package store

import (
	"errors"
	"fmt"

	"turnpike.dev/turnpike/control/config"
)

// Reset leaves of the configuration what a factory reset keeps (CL-14), and of its
// history nothing: what was configured cannot be brought back. One that fails half
// way can be repeated. left: the node was a peer and its list was emptied; what its node file says of the
// cluster counts only when it says something else.
func (s *Store) Reset(author Author, left bool) error {
	cur := s.Current()
	if cur == nil {
		return nil
	}
	if _, err := s.Propose(Proposal{Author: author, Note: "factory reset", Document: config.Reset(cur.Node), reset: true}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers, err := s.tidy()
	if err != nil {
		return fmt.Errorf("remove the history: %w", err)
	}
	var errs []error
	for _, number := range numbers {
		if number != s.Current().Number {
			errs = append(errs, s.Files.Remove(revisionName(number)))
		}
	}
	if err := errors.Join(append(errs, s.Files.Sync(), s.forget(left))...); err != nil {
		return fmt.Errorf("remove the history: %w", err)
	}
	return nil
}

// Fresh reports whether nobody has set anything that peers share: it is what the node file put there, or what a
// factory reset left. Only such a node joins a cluster (CL-02).
func (s *Store) Fresh() bool { return s.Current().fresh() }

func (s *Snapshot) fresh() bool { return s == nil || s.Info.Fresh || s.File }
