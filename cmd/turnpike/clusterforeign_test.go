package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// issuer is an authority of a test.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T, name string) *issuer {
	t.Helper()
	i := &issuer{t: t, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}}
	i.cert, i.key = i.sign(i.cert)
	return i
}

// sign fills in what each certificate has; the first is the issuer's own.
func (i *issuer) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	by := i.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, &key.PublicKey, by)
	if err != nil {
		i.t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return out, key
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// upload gives a node a certificate of an issuer.
func (p *pair) upload(n *pairNode, by *issuer, name string) {
	p.t.Helper()
	c, key := by.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "cluster1.example.test"}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.run(n, "certificate", "upload", p.file(pemOf("CERTIFICATE", c.Raw)), p.file(pemOf("PRIVATE KEY", der)))
}

// certificateOf is what a node says of the certificate of a peer, by its place in the list.
func (p *pair) certificateOf(n *pairNode, peer int) string {
	p.t.Helper()
	var st struct {
		Peers []struct{ Certificate string }
	}
	text := p.tried(n, "cluster", "status", "-o", "json")
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&st); err != nil || len(st.Peers) <= peer {
		p.t.Fatalf("%v: %s", err, text)
	}
	return st.Peers[peer].Certificate
}

// CL-05, CL-06, CL-07: from certificates that the nodes made themselves to enforced ones, with names that only the
// address mapping knows; each step shows before it is taken whether it would work; a foreign certificate is refused.
func TestFromPermissiveToEnforce(t *testing.T) {
	p := newPairOf(t, `cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [tp1.example.test, tp2.example.test]}
cluster_mapping: {mode: on, entries: [{name: tp1.example.test, address: 198.18.0.1}, {name: tp2.example.test, address: 198.18.0.2}]}
`)
	one, two := p.nodes[0], p.nodes[1]
	p.formed()
	if got := p.certificateOf(one, 1); !strings.HasPrefix(got, "Invalid (no trusted authority") {
		t.Errorf("a certificate that the node made itself: %s", got)
	}
	ca := newIssuer(t, "the operator's authority")
	for _, n := range p.nodes {
		p.run(n, "certificate", "trust", p.file(pemOf("CERTIFICATE", ca.cert.Raw)))
	}
	p.upload(one, ca, "tp1.example.test")
	p.upload(two, ca, "tp2.example.test")
	p.within(5*time.Second, "both valid", func() bool { return p.certificateOf(one, 1) == "Valid" && p.certificateOf(two, 0) == "Valid" })
	p.formed() // with new keys, and nobody had to trust them

	p.run(one, "config", "set", "cluster_tls", "enforce")
	p.within(5*time.Second, "20020 on both", func() bool { return p.stands(one, 20020) && p.stands(two, 20020) })
	for _, n := range p.nodes { // the primary first
		p.stop(n, unix.SIGTERM)
		p.start(n)
		p.formed()
	}
	p.within(5*time.Second, "20020 lowered", func() bool { return !p.stands(one, 20020) && !p.stands(two, 20020) })

	p.upload(two, newIssuer(t, "somebody"), "tp2.example.test")
	p.within(15*time.Second, "20004 with the reason", func() bool { return strings.Contains(p.detail(one, 20004), "no trusted authority") })
	p.within(2*time.Second, "the record of it", func() bool { return p.logged(one, "certificate", "198.18.0.2") })
	p.upload(two, ca, "tp2.example.test")
	p.formed()
	p.within(5*time.Second, "20004 lowered", func() bool { return !p.stands(one, 20004) && !p.stands(two, 20004) })
}
