package certificates

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Export returns the store's files by name, the private key among them: for a backup,
// which is encrypted.
func (s *Store) Export() (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := make(map[string][]byte)
	for _, name := range []string{serverFile, trustFile} {
		data, err := s.read(name)
		if err != nil {
			return nil, err
		}
		if len(data) > 0 {
			files[name] = data
		}
	}
	return files, nil
}

// Import checks files that Export returned. commit puts them in force, all or none; what
// is not among them stays as it is.
func (s *Store) Import(files map[string][]byte) (commit func() error, err error) {
	var server *tls.Certificate
	var trusted *trust
	for name, data := range files {
		if len(data) > 3*MaxPEM {
			return nil, fmt.Errorf("%s: %w", name, ErrTooLarge)
		}
	}
	if data, ok := files[serverFile]; ok {
		if server, err = parseServer(data, data); err != nil {
			return nil, fmt.Errorf("certificate of the backup: %w", err)
		}
	}
	if data, ok := files[trustFile]; ok {
		if trusted, err = parseTrust(data); err != nil {
			return nil, fmt.Errorf("authorities of the backup: %w", err)
		}
	}
	return func() error { return s.commit(server, trusted) }, nil
}

func (s *Store) commit(server *tls.Certificate, trusted *trust) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.trusted.Load()
	if trusted != nil {
		if err := s.keepTrust(trusted.authorities, trusted.lists); err != nil {
			return err
		}
	}
	if server == nil {
		return nil
	}
	err := s.keepServer(server)
	if err != nil && trusted != nil {
		err = errors.Join(err, s.keepTrust(before.authorities, before.lists))
	}
	return err
}
