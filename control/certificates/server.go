package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// MaxPEM bounds what may be uploaded at a time.
const MaxPEM = 1 << 20

// Errors that an upload is refused with.
var (
	ErrTooLarge = errors.New("the file is too large: 1 MiB at most")
	ErrNoKey    = errors.New("there is no private key with the certificate, and no open signing request: upload the key too, or make a request first")
	ErrMismatch = errors.New("the private key does not belong to the certificate")
	ErrExpired  = errors.New("the certificate has expired: ask for a new one")
	ErrWeakKey  = errors.New("the key is too weak: RSA of 2048 bits or more, or ECDSA, or Ed25519")
)

const (
	selfSignedLife = 10 * 365 * 24 * time.Hour
	minRSABits     = 2048
)

// SetServer replaces the server certificate. chain is the certificate and what leads to
// its authority, in PEM; key is its private key, nil when it answers the open signing
// request. The next handshake shows it.
func (s *Store) SetServer(chain, key []byte) error {
	if len(chain) > MaxPEM || len(key) > MaxPEM {
		return ErrTooLarge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	requested := len(key) == 0
	if requested {
		open, err := s.read(requestFile)
		if err != nil {
			return err
		}
		if open == nil {
			return ErrNoKey
		}
		key = open
	}
	c, err := parseServer(chain, key)
	if err != nil {
		return err
	}
	if s.cfg.Now().After(c.Leaf.NotAfter) {
		return ErrExpired
	}
	if err := s.keepServer(c); err != nil {
		return err
	}
	if requested {
		return s.cfg.Files.RemoveFile(s.name(requestFile))
	}
	return nil
}

// keepServer writes a certificate with its key, and serves it from then on.
func (s *Store) keepServer(c *tls.Certificate) error {
	var b bytes.Buffer
	for _, der := range c.Certificate {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return err
		}
	}
	key, err := encodeKey(c.PrivateKey)
	if err != nil {
		return err
	}
	b.Write(key)
	if err := s.write(serverFile, b.Bytes()); err != nil {
		return err
	}
	s.server.Store(c)
	return nil
}

// parseServer reads a chain and its key, and puts the chain in the order that TLS
// wants (RFC 8446 section 4.4.2): each certificate is followed by its issuer.
func parseServer(chain, key []byte) (*tls.Certificate, error) {
	certificates, err := parseCertificates(chain)
	if err != nil {
		return nil, err
	}
	private, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(certificates, func(c *x509.Certificate) bool { return samePublic(c.PublicKey, private.Public()) })
	if at < 0 {
		return nil, ErrMismatch
	}
	leaf := certificates[at]
	if err := strong(leaf.PublicKey); err != nil {
		return nil, err
	}
	c := &tls.Certificate{PrivateKey: private, Leaf: leaf}
	for _, one := range inOrder(leaf, certificates) {
		c.Certificate = append(c.Certificate, one.Raw)
	}
	return c, nil
}

// inOrder returns the leaf and, of the others, those that lead to its root. A root
// itself is left out: who trusts it has it.
func inOrder(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for last := leaf; len(chain) <= len(others); {
		next := slices.IndexFunc(others, func(c *x509.Certificate) bool {
			return !slices.Contains(chain, c) && !selfSigned(c) && last.CheckSignatureFrom(c) == nil
		})
		if next < 0 {
			break
		}
		last = others[next]
		chain = append(chain, last)
	}
	return chain
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// parseCertificates reads the certificates of a PEM file; other blocks are skipped.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the file: %w", len(found)+1, err)
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, errors.New("there is no certificate in the file: want PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	return found, nil
}

// parseKey reads the first private key of a PEM file. What goes wrong is told without
// a byte of it.
func parseKey(data []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted: take its password away first (openssl pkey -in KEY -out PLAIN)")
		default:
			continue
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errors.New("the private key cannot be read: want PKCS #8, PKCS #1 or SEC 1 in PEM")
		}
		return signer, nil
	}
	return nil, errors.New("there is no private key in the file: want PEM, which begins with -----BEGIN PRIVATE KEY-----")
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func samePublic(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func strong(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return nil
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	}
	return ErrWeakKey
}

// selfSign makes the certificate of a node that has none.
func (s *Store) selfSign() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	host := s.cfg.Host
	if host == "" {
		host = "turnpike"
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("make a serial number: %w", err)
	}
	now := s.cfg.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: host},
		NotBefore:             now.Add(-time.Hour), // a peer's clock may be behind
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign the node's own certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("read the node's own certificate: %w", err)
	}
	return s.keepServer(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
}
