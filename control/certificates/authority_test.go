package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"sync"
	"testing"
	"time"
)

// memory is the files of a store, in memory.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	fail  error // what every change is answered with
}

func newMemory() *memory { return &memory{files: make(map[string][]byte)} }

func (m *memory) ReadFile(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(data), nil
}

func (m *memory) ReplaceFile(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.files[name] = bytes.Clone(data)
	return nil
}

func (m *memory) RemoveFile(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	delete(m.files, name)
	return nil
}

// authority signs certificates for a test.
type authority struct {
	t      *testing.T
	cert   *x509.Certificate
	key    crypto.Signer
	parent *authority
	serial int64
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, key: ecKey(t), serial: 1}
	template := a.template(name, 10*365*24*time.Hour)
	a.cert = a.make(template, template, a.key.Public(), a.key)
	return a
}

// under makes an intermediate authority.
func (a *authority) under(name string) *authority {
	b := &authority{t: a.t, key: ecKey(a.t), parent: a, serial: 1000}
	b.cert = a.make(a.template(name, 365*24*time.Hour), a.cert, b.key.Public(), a.key)
	return b
}

func (a *authority) template(name string, life time.Duration) *x509.Certificate {
	a.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-time.Hour), NotAfter: start.Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (a *authority) make(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// leaf signs a certificate; change may alter what it says.
func (a *authority) leaf(public crypto.PublicKey, name string, change func(*x509.Certificate)) *x509.Certificate {
	template := a.template(name, 90*24*time.Hour)
	template.IsCA, template.KeyUsage, template.DNSNames = false, x509.KeyUsageDigitalSignature, []string{name}
	if change != nil {
		change(template)
	}
	return a.make(template, a.cert, public, a.key)
}

// revoke makes a revocation list.
func (a *authority) revoke(certs ...*x509.Certificate) []byte {
	a.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: start, NextUpdate: start.Add(24 * time.Hour)}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: start})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

func pemKey(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	data, err := encodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func openStore(t *testing.T, files Files) *Store {
	t.Helper()
	s, err := Open(Config{Files: files, Host: "tp1.example.org", Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
