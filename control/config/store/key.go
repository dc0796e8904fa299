package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"turnpike.dev/turnpike/control/config"
	"turnpike.dev/turnpike/control/config/seal"
)

// openKey reads the system key; a store that has nothing in it gets one.
func (s *Store) openKey(empty bool) error {
	data, err := s.Files.Read(keyName)
	switch {
	case err == nil:
		s.ring, err = seal.Parse(data)
	case errors.Is(err, fs.ErrNotExist) && empty:
		s.ring = seal.New()
		err = replace(s.Files, keyName, s.ring.Bytes())
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s is gone, and the configuration's secrets were sealed with it: restore a backup, or reset the node", keyName)
	}
	if err != nil {
		s.Alarms.Raise(AlarmKey, "", err.Error())
		return fmt.Errorf("open the system key: %w", err)
	}
	return nil
}

// KeyID names the system key that seals.
func (s *Store) KeyID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring.ID()
}

// RenewKey makes a new system key and seals everything that is kept with it
// (OP-02, ForceSystemKeyUpdate). The old key is given up last, so that an
// interrupted renewal leaves nothing unreadable; it may be repeated. In a cluster the
// primary makes it, whichever peer is asked, and it goes to all with the configuration.
func (s *Store) RenewKey(author Author) error {
	s.proposing.Lock()
	defer s.proposing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putInForce()
	if s.cluster != nil {
		return s.renewShared(author)
	}
	ring := s.ring.Renewed()
	if err := replace(s.Files, keyName, ring.Bytes()); err != nil {
		return s.keyFailed(err)
	}
	s.ring = ring
	if err := s.reseal(); err != nil {
		return err
	}
	s.Log.Event("System Key Updated", "Detail", "all secrets are sealed with the new key", "User", author.User, "Src", author.From, "Key", ring.ID())
	return nil
}

func (s *Store) renewShared(author Author) error {
	cur := s.Current()
	if at, here := s.cluster.Primary(); !here {
		if at == "" {
			return &ElsewhereError{Item: "the system key"}
		}
		return s.onPrimary(func(ctx context.Context, c Cluster) (Origin, error) { return c.RenewKey(ctx, author) })
	}
	if cur == nil {
		return ErrEmpty
	}
	_, err := s.spread(Proposal{Author: author, Note: "a new system key"}, cur.Node, nil, s.ring.Renewed())
	return err
}

// reseal writes all revisions anew with the newest key and forgets the others.
func (s *Store) reseal() error {
	numbers, err := s.tidy()
	if err != nil {
		return s.keyFailed(err)
	}
	for _, number := range numbers {
		if err := s.resealRevision(number); err != nil && !errors.Is(err, errDamaged) {
			return s.keyFailed(err)
		}
	}
	newest := s.ring.Newest()
	if err := replace(s.Files, keyName, newest.Bytes()); err != nil {
		return s.keyFailed(err)
	}
	s.ring = newest
	s.Alarms.Lower(AlarmKey, "")
	return nil
}

func (s *Store) resealRevision(number int) error {
	snap, err := s.load(number)
	if err != nil {
		return err
	}
	values, err := contentOf(config.Values(snap.Node))
	if err != nil {
		return err
	}
	data, err := values.encode(snap.Info, s.ring)
	if err != nil {
		return err
	}
	return replace(s.Files, revisionName(number), data)
}

// keyFailed tells that the key could not be renewed; what was sealed can still be read.
func (s *Store) keyFailed(err error) error {
	err = fmt.Errorf("update the system key: %w: free the disk or mend the folder and run `xCommand ForceSystemKeyUpdate` again", err)
	s.Alarms.Raise(AlarmKey, "", err.Error())
	return err
}

// adoptKey makes the key of the cluster the one that seals here (OP-02). The old one is given up last.
func (s *Store) adoptKey(shared *seal.Ring) error {
	if shared.ID() == s.ring.ID() && !s.ring.Renewing() {
		return nil
	}
	ring := s.ring
	if shared.ID() != ring.ID() {
		ring = ring.With(shared)
		if err := replace(s.Files, keyName, ring.Bytes()); err != nil {
			return s.keyFailed(err)
		}
	}
	s.ring = ring
	if err := s.reseal(); err != nil {
		return err
	}
	s.Log.Event("System Key Updated", "Detail", "all secrets are sealed with the key of the cluster", "Key", ring.ID())
	return nil
}
