package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFirstStartMakesACertificateThatStays(t *testing.T) {
	files := newMemory()
	first := openStore(t, files).Server().Leaf
	if first.Subject.CommonName != "tp1.example.org" || !selfSigned(first) {
		t.Errorf("got a certificate of %s, self-signed %v", first.Subject, selfSigned(first))
	}
	if again := openStore(t, files).Server().Leaf; !again.Equal(first) {
		t.Error("a second start made another certificate")
	}
}

func TestUpload(t *testing.T) {
	root := newAuthority(t, "root")
	middle := root.under("middle")
	key := ecKey(t)
	leaf := middle.leaf(key.Public(), "tp1.example.org", nil)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	old := middle.leaf(key.Public(), "tp1.example.org", func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Minute) })
	for name, c := range map[string]struct {
		chain, key []byte
		want       error
	}{
		"chain in order":      {pemOf(leaf, middle.cert), pemKey(t, key), nil},
		"chain in any order":  {pemOf(root.cert, middle.cert, leaf), pemKey(t, key), nil},
		"key of another":      {pemOf(leaf, middle.cert), pemKey(t, ecKey(t)), ErrMismatch},
		"no key, no request":  {pemOf(leaf), nil, ErrNoKey},
		"expired":             {pemOf(old), pemKey(t, key), ErrExpired},
		"weak":                {pemOf(middle.leaf(weak.Public(), "tp1.example.org", nil)), pemKey(t, weak), ErrWeakKey},
		"larger than allowed": {make([]byte, MaxPEM+1), pemKey(t, key), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			files := newMemory()
			s := openStore(t, files)
			before := s.Server().Leaf
			if err := s.SetServer(c.chain, c.key); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want != nil {
				if !s.Server().Leaf.Equal(before) || !openStore(t, files).Server().Leaf.Equal(before) {
					t.Error("a refused certificate changed the node's")
				}
				return
			}
			want := [][]byte{leaf.Raw, middle.cert.Raw}
			if diff := cmp.Diff(want, s.Server().Certificate); diff != "" {
				t.Errorf("chain that is shown: %s", diff)
			}
			if diff := cmp.Diff(want, openStore(t, files).Server().Certificate); diff != "" {
				t.Errorf("chain after a restart: %s", diff)
			}
		})
	}
}

func TestUploadThatCannotBeKeptChangesNothing(t *testing.T) {
	files := newMemory()
	s := openStore(t, files)
	before := s.Server()
	key := ecKey(t)
	files.fail = errors.New("disk full")
	err := s.SetServer(pemOf(newAuthority(t, "root").leaf(key.Public(), "tp1.example.org", nil)), pemKey(t, key))
	if !errors.Is(err, files.fail) || s.Server() != before {
		t.Errorf("got %v, and the certificate changed: %v", err, s.Server() != before)
	}
}

func TestErrorsSayNothingOfTheKey(t *testing.T) {
	secret := strings.Repeat("c2VjcmV0", 8)
	for _, kind := range []string{"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"} {
		_, err := parseKey([]byte("-----BEGIN " + kind + "-----\n" + secret + "\n-----END " + kind + "-----\n"))
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

// CL-11
func TestRequestNeedsAFullDomainName(t *testing.T) {
	for name, wrong := range map[string]Request{
		"bare cluster name":     {CommonName: "cluster1"},
		"bare alternative name": {CommonName: "cluster1.example.org", Names: []string{"tp1"}},
		"address":               {CommonName: "192.0.2.1"},
		"label ends in hyphen":  {CommonName: "tp-.example.org"},
		"underscore":            {CommonName: "tp_1.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, newMemory())
			if _, err := s.NewRequest(wrong); !errors.Is(err, ErrBareName) {
				t.Errorf("got %v", err)
			}
			if open, err := s.Requested(); open || err != nil {
				t.Errorf("a refused request is open (%v)", err)
			}
		})
	}
}

func TestRequestIsAnsweredWithoutUploadingAKey(t *testing.T) {
	for _, kind := range []KeyType{ECDSA256, RSA2048} {
		t.Run(string(kind), func(t *testing.T) {
			files := newMemory()
			s := openStore(t, files)
			text, err := s.NewRequest(Request{CommonName: "cluster1.example.org", Names: []string{"tp1.example.org", "Cluster1.Example.org"}, Country: "nl", Key: kind})
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			csr, err := x509.ParseCertificateRequest(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"cluster1.example.org", "tp1.example.org"}, csr.DNSNames); diff != "" {
				t.Errorf("names: %s", diff)
			}
			s = openStore(t, files) // the key outlives the process
			leaf := newAuthority(t, "root").leaf(csr.PublicKey, "cluster1.example.org", nil)
			if err := s.SetServer(pemOf(leaf), nil); err != nil {
				t.Fatal(err)
			}
			if open, err := s.Requested(); open || err != nil || !s.Server().Leaf.Equal(leaf) {
				t.Errorf("request still open: %v (%v)", open, err)
			}
		})
	}
}

// The request must be one that others can read: openssl is the referee.
func TestRequestIsReadByOpenSSL(t *testing.T) {
	text, err := openStore(t, newMemory()).NewRequest(Request{CommonName: "cluster1.example.org", Names: []string{"tp1.example.org"}, Organization: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "request.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "req", "-in", file, "-verify", "-noout", "-text").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "DNS:cluster1.example.org, DNS:tp1.example.org") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNextHandshakeShowsTheNewCertificate(t *testing.T) {
	s := openStore(t, newMemory())
	server := s.TLS()
	if got := shown(t, server); !got.Equal(s.Server().Leaf) {
		t.Errorf("shown: %s", got.Subject)
	}
	key := ecKey(t)
	leaf := newAuthority(t, "root").leaf(key.Public(), "tp1.example.org", nil)
	if err := s.SetServer(pemOf(leaf), pemKey(t, key)); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, server); !got.Equal(leaf) {
		t.Errorf("after the upload: %s", got.Subject)
	}
}

// shown returns the certificate that a server shows in a handshake.
func shown(t *testing.T, server *tls.Config) *x509.Certificate {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- tls.Server(there, server).Handshake() }()
	client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = here.Close()
	_ = there.Close()
	return client.ConnectionState().PeerCertificates[0]
}

func TestEncryptedKeyIsRefusedWithTheCure(t *testing.T) {
	_, err := parseKey(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
	if err == nil || !strings.Contains(err.Error(), "openssl pkey") {
		t.Errorf("got %v", err)
	}
}

func TestKeysOfEveryEncoding(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"SEC 1":   {Type: "EC PRIVATE KEY", Bytes: sec1},
		"PKCS #1": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)},
	} {
		if _, err := parseKey(pem.EncodeToMemory(block)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// CL-14
func TestResetRemovesCertificateKeyAndTrust(t *testing.T) {
	files := newMemory()
	s := openStore(t, files)
	root, key := newAuthority(t, "root"), ecKey(t)
	leaf := root.leaf(key.Public(), "tp1.example.org", nil)
	if err := errors.Join(s.SetServer(pemOf(leaf), pemKey(t, key)), s.SetTrust(pemOf(root.cert))); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, files)
	if s.Server().Leaf.Equal(leaf) || len(s.TrustInfo()) != 0 {
		t.Errorf("after the reset: %v, %v", s.ServerInfo(), s.TrustInfo())
	}
}
