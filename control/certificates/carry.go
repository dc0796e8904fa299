package certificates

import (
	"errors"
	"fmt"
)

// Export returns the store's files by name, the private key among them: for a backup,
// which is encrypted.
func (s *Store) Export() (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := make(map[string][]byte)
	for _, name := range []string{serverFile, trustFile, revokedFile} {
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

// Import checks files that Export returned. commit puts them in force; what is not
// among them stays as it is.
func (s *Store) Import(files map[string][]byte) (commit func() error, err error) {
	var steps []func() error
	for name, data := range files {
		if len(data) > 2*MaxPEM {
			return nil, fmt.Errorf("%s: %w", name, ErrTooLarge)
		}
	}
	if data, ok := files[serverFile]; ok {
		c, err := parseServer(data, data)
		if err != nil {
			return nil, fmt.Errorf("certificate of the backup: %w", err)
		}
		steps = append(steps, func() error { return s.keepServer(c) })
	}
	t := s.trusted.Load()
	authorities, lists := t.authorities, t.lists
	if data, ok := files[trustFile]; ok {
		if authorities, err = parseCertificates(data); err != nil {
			return nil, fmt.Errorf("authorities of the backup: %w", err)
		}
	}
	if data, ok := files[revokedFile]; ok {
		if lists, err = parseLists(data); err != nil {
			return nil, fmt.Errorf("revocation lists of the backup: %w", err)
		}
	}
	steps = append(steps, func() error { return s.keepTrust(authorities, lists) })
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		var errs []error
		for _, step := range steps {
			errs = append(errs, step())
		}
		return errors.Join(errs...)
	}, nil
}
