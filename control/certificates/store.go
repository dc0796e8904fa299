// Package certificates keeps what a node shows and trusts in TLS: its server certificate
// with the private key, the list of authorities it trusts, and their revocation
// lists.
//
// It exists so that a certificate can be changed while calls run: whoever accepts TLS
// asks the store at each handshake, so a new certificate serves the next one, and no
// listener is opened again. What is uploaded is checked as a whole before anything is
// replaced; a certificate that does not fit its key never becomes the node's. A node
// without a certificate makes itself one, so that TLS works from the first start.
package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Files of a store's directory. Certificate and key are one file, and so are authorities
// and their revocation lists: no crash leaves one without the other.
const (
	serverFile  = "server.pem"
	requestFile = "request.key"
	trustFile   = "trust.pem"
)

// Files keeps the store's files. ReadFile returns fs.ErrNotExist for one that is not
// there; ReplaceFile leaves the old or the new content, whatever happens, readable by
// the node only.
type Files interface {
	ReadFile(name string) ([]byte, error)
	ReplaceFile(name string, data []byte) error
	RemoveFile(name string) error
}

// Config says for whom a store is.
type Config struct {
	Dir   string // folder of the store's files, as Files names them
	Files Files
	Host  string           // host name and domain of the node: the name of a certificate that it makes itself
	Now   func() time.Time // clock; time.Now where nil
}

// Store is a node's certificates. Its methods may be called at any time.
type Store struct {
	cfg Config

	mu      sync.Mutex // held while files and what they mean are changed together
	server  atomic.Pointer[tls.Certificate]
	trusted atomic.Pointer[trust]
}

// Open reads a store, and makes a self-signed certificate where there is none yet.
func Open(cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg}
	if err := s.readTrust(); err != nil {
		return nil, err
	}
	data, err := s.read(serverFile)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return s, s.selfSign()
	}
	c, err := parseServer(data, data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: upload the certificate and its key again, or delete the file for a self-signed one", s.name(serverFile), err)
	}
	s.server.Store(c)
	return s, nil
}

// Server returns the certificate to show in a handshake.
func (s *Store) Server() *tls.Certificate { return s.server.Load() }

// TLS returns how to accept connections: with the certificate of the moment.
func (s *Store) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Server(), nil },
	}
}

// Roots returns the authorities that the node trusts.
func (s *Store) Roots() *x509.CertPool { return s.trusted.Load().roots }

// Reset removes everything, as a factory reset does (CL-14), and makes a new
// self-signed certificate.
func (s *Store) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{serverFile, requestFile, trustFile} {
		if err := s.cfg.Files.RemoveFile(s.name(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", s.name(name), err)
		}
	}
	s.trusted.Store(newTrust(nil, nil))
	return s.selfSign()
}

func (s *Store) name(file string) string { return filepath.Join(s.cfg.Dir, file) }

// read returns a file's content, nil when it is not there.
func (s *Store) read(file string) ([]byte, error) {
	data, err := s.cfg.Files.ReadFile(s.name(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name(file), err)
	}
	return data, nil
}

func (s *Store) write(file string, data []byte) error {
	if err := s.cfg.Files.ReplaceFile(s.name(file), data); err != nil {
		return fmt.Errorf("keep %s: %w", s.name(file), err)
	}
	return nil
}
