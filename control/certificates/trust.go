package certificates

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of the trust list.
const (
	maxAuthorities = 500
	maxLists       = 100
)

// Errors of a peer's certificate.
var (
	ErrRevoked      = errors.New("the certificate has been revoked by its issuer")
	ErrNotAuthority = errors.New("not a certificate of an authority (basic constraints, RFC 5280 section 4.2.1.9)")
)

// trust is whom the node believes: authorities and their revocation lists. It is never
// changed, only replaced.
type trust struct {
	authorities []*x509.Certificate
	roots       *x509.CertPool
	lists       []*x509.RevocationList
	revoked     map[string]bool // issuer and serial number
}

func newTrust(authorities []*x509.Certificate, lists []*x509.RevocationList) *trust {
	t := &trust{authorities: authorities, roots: x509.NewCertPool(), lists: lists, revoked: make(map[string]bool)}
	for _, c := range authorities {
		t.roots.AddCert(c)
	}
	for _, l := range lists {
		for _, e := range l.RevokedCertificateEntries {
			t.revoked[revocation(l.RawIssuer, e.SerialNumber.Bytes())] = true
		}
	}
	return t
}

func revocation(issuer, serial []byte) string { return string(issuer) + "\x00" + string(serial) }

// SetTrust replaces the trust list by the authorities of a PEM file.
func (s *Store) SetTrust(data []byte) error { return s.changeTrust(data, false) }

// AddTrust adds the authorities of a PEM file to the trust list.
func (s *Store) AddTrust(data []byte) error { return s.changeTrust(data, true) }

func (s *Store) changeTrust(data []byte, keep bool) error {
	if len(data) > MaxPEM {
		return ErrTooLarge
	}
	add, err := parseCertificates(data)
	if err != nil {
		return err
	}
	for _, c := range add {
		if c.BasicConstraintsValid && !c.IsCA {
			return fmt.Errorf("%s: %w", c.Subject, ErrNotAuthority)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.trusted.Load()
	var all []*x509.Certificate
	if keep {
		all = slices.Clone(now.authorities)
	}
	for _, c := range add {
		if !slices.ContainsFunc(all, c.Equal) {
			all = append(all, c)
		}
	}
	return s.keepTrust(all, now.lists)
}

// RemoveTrust takes the authority with that fingerprint out of the trust list.
func (s *Store) RemoveTrust(fingerprint string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.trusted.Load()
	all := slices.DeleteFunc(slices.Clone(now.authorities), func(c *x509.Certificate) bool { return Fingerprint(c) == fingerprint })
	if len(all) == len(now.authorities) {
		return fmt.Errorf("no authority has the fingerprint %q: see the list of authorities", fingerprint)
	}
	return s.keepTrust(all, now.lists)
}

// SetRevoked replaces the revocation lists (RFC 5280 section 5), each signed by an
// authority of the trust list.
func (s *Store) SetRevoked(data []byte) error {
	if len(data) > MaxPEM {
		return ErrTooLarge
	}
	lists, err := parseLists(data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.trusted.Load()
	for i, l := range lists {
		if !slices.ContainsFunc(now.authorities, func(c *x509.Certificate) bool { return l.CheckSignatureFrom(c) == nil }) {
			return fmt.Errorf("revocation list %d is by %s, which no trusted authority signed: add that authority first", i+1, l.Issuer)
		}
	}
	return s.keepTrust(now.authorities, lists)
}

func (s *Store) keepTrust(authorities []*x509.Certificate, lists []*x509.RevocationList) error {
	if len(authorities) > maxAuthorities || len(lists) > maxLists {
		return fmt.Errorf("too many: %d authorities and %d revocation lists at most", maxAuthorities, maxLists)
	}
	var file bytes.Buffer
	for _, c := range authorities {
		_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
	}
	for _, l := range lists {
		_ = pem.Encode(&file, &pem.Block{Type: listBlock, Bytes: l.Raw})
	}
	if err := s.write(trustFile, file.Bytes()); err != nil {
		return err
	}
	s.trusted.Store(newTrust(authorities, lists))
	return nil
}

func (s *Store) readTrust() error {
	data, err := s.read(trustFile)
	if err != nil {
		return err
	}
	t, err := parseTrust(data)
	if err != nil {
		return err
	}
	s.trusted.Store(t)
	return nil
}

// parseTrust reads what keepTrust wrote.
func parseTrust(data []byte) (*trust, error) {
	var authorities []*x509.Certificate
	var lists []*x509.RevocationList
	var err error
	if bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
		authorities, err = parseCertificates(data)
	}
	if err == nil && bytes.Contains(data, []byte("-----BEGIN "+listBlock+"-----")) {
		lists, err = parseLists(data)
	}
	if err != nil {
		return nil, err
	}
	return newTrust(authorities, lists), nil
}

// listBlock is the type of a revocation list's PEM block.
const listBlock = "X509 CRL"

// parseLists reads revocation lists in PEM, or one in DER.
func parseLists(data []byte) ([]*x509.RevocationList, error) {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		l, err := x509.ParseRevocationList(data)
		if err != nil {
			return nil, fmt.Errorf("read the revocation list: %w", err)
		}
		return []*x509.RevocationList{l}, nil
	}
	var lists []*x509.RevocationList
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != listBlock {
			continue
		}
		l, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("revocation list %d of the file: %w", len(lists)+1, err)
		}
		lists = append(lists, l)
	}
	if len(lists) == 0 {
		return nil, errors.New("there is no revocation list in the file: want PEM, which begins with -----BEGIN X509 CRL-----")
	}
	return lists, nil
}

// Verify checks the chain that a peer showed: that it leads to a trusted authority, is
// valid now, is not revoked and, unless name is empty, carries that name as a subject
// alternative name or, where it has none, as its common name (CL-05).
func (s *Store) Verify(chain []*x509.Certificate, name string) error {
	if len(chain) == 0 {
		return errors.New("the peer showed no certificate")
	}
	t := s.trusted.Load()
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	paths, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         t.roots,
		Intermediates: between,
		CurrentTime:   s.cfg.Now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("verify the peer's certificate: %w", err)
	}
	if err := t.allRevoked(paths); err != nil {
		return err
	}
	if name == "" {
		return nil
	}
	return carries(chain[0], name)
}

// allRevoked returns why no path is left when the revoked certificates are taken out.
func (t *trust) allRevoked(paths [][]*x509.Certificate) error {
	var err error
	for _, path := range paths {
		at := slices.IndexFunc(path, func(c *x509.Certificate) bool { return t.revoked[revocation(c.RawIssuer, c.SerialNumber.Bytes())] })
		if at < 0 {
			return nil
		}
		err = fmt.Errorf("%s: %w", path[at].Subject, ErrRevoked)
	}
	return err
}

func carries(c *x509.Certificate, name string) error {
	if len(c.DNSNames) == 0 && len(c.IPAddresses) == 0 {
		c = &x509.Certificate{DNSNames: []string{c.Subject.CommonName}}
	}
	if err := c.VerifyHostname(name); err != nil {
		return fmt.Errorf("the certificate does not carry the name %s: %w", name, err)
	}
	return nil
}

// Fingerprint returns the SHA-256 of a certificate in hexadecimal digits.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Stale reports which revocation lists are past their next update.
func (s *Store) Stale(now time.Time) []string {
	var stale []string
	for _, l := range s.trusted.Load().lists {
		if !l.NextUpdate.IsZero() && now.After(l.NextUpdate) {
			stale = append(stale, l.Issuer.String())
		}
	}
	return stale
}
