package certificates

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// KeyType is the kind of key that a signing request is made with.
type KeyType string

// The kinds of keys.
const (
	ECDSA256 KeyType = "ecdsa256"
	RSA2048  KeyType = "rsa2048"
	RSA4096  KeyType = "rsa4096"
)

// ErrBareName is the answer to a signing request for a name without a domain (CL-11):
// no authority signs one.
var ErrBareName = errors.New("a certificate needs a full domain name")

// Request is what a certificate shall say.
type Request struct {
	CommonName   string   // FQDN of the node, or of its cluster
	Names        []string // further names: SIP domains, the FQDN of each peer
	Organization string
	Unit         string
	Locality     string
	Province     string
	Country      string // two letters
	Key          KeyType
}

// fqdn is the rule of CL-11 with at least two labels.
var fqdn = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

const maxNames = 100

func (r Request) check() error {
	if len(r.Names) > maxNames {
		return fmt.Errorf("a request may have %d names, not %d", maxNames, len(r.Names))
	}
	for _, name := range append([]string{r.CommonName}, r.Names...) {
		if len(name) > 253 || !fqdn.MatchString(name) {
			return fmt.Errorf("%w: %q is none: set the cluster name or host name with its domain, as in cluster1.example.org", ErrBareName, name)
		}
	}
	if r.Country != "" && len(r.Country) != 2 {
		return fmt.Errorf("the country is two letters, as in NL, not %q", r.Country)
	}
	return nil
}

// NewRequest makes a key and a signing request (PKCS #10, RFC 2986) for it. The key
// stays in the store until SetServer brings the certificate; the running certificate is
// not touched. A new request forgets the one before.
func (s *Store) NewRequest(r Request) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	key, err := newKey(r.Key)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{
			CommonName:         r.CommonName,
			Organization:       some(r.Organization),
			OrganizationalUnit: some(r.Unit),
			Locality:           some(r.Locality),
			Province:           some(r.Province),
			Country:            some(strings.ToUpper(r.Country)),
		},
		DNSNames: distinct(append([]string{r.CommonName}, r.Names...)),
	}, key)
	if err != nil {
		return nil, fmt.Errorf("make the signing request: %w", err)
	}
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(requestFile, data); err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}

// Requested reports whether a signing request waits for its certificate.
func (s *Store) Requested() (bool, error) {
	data, err := s.read(requestFile)
	return data != nil, err
}

// DropRequest forgets the open signing request with its key.
func (s *Store) DropRequest() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data, err := s.read(requestFile); err != nil || data == nil {
		return err
	}
	return s.cfg.Files.RemoveFile(s.name(requestFile))
}

func newKey(t KeyType) (crypto.Signer, error) {
	switch t {
	case "", ECDSA256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("no such key type as %q: want %s, %s or %s", t, ECDSA256, RSA2048, RSA4096)
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func distinct(names []string) []string {
	seen := make(map[string]bool, len(names))
	var out []string
	for _, n := range names {
		if n = strings.ToLower(n); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}
