package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	c := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	if a.cert, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	a.key = c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) sign(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := template, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// listen takes TLS connections on loopback, and gives the source of each message.
func listen(t *testing.T, server tls.Certificate) (netip.AddrPort, <-chan loop.Source) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	_ = l.Close()
	sources := make(chan loop.Source, 4)
	tr, err := transport.New(transport.Config{
		TLS: []netip.AddrPort{at}, AskClients: true,
		Certificate: func() (*tls.Certificate, error) { return &server, nil },
		Receive:     func(src loop.Source, _ *message.Message) { sources <- src },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	<-tr.Listening()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return at, sources
}

// Over TLS the access rules of the Default Zone decide, by names of certificates that are
// believed and no others.
func TestAccessRules(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	at, sources := listen(t, ours.sign(&x509.Certificate{DNSNames: []string{"node.test"}}))
	g := newGuard(t, nil, `default_zone: {access_rules: [
  {name: no-guests, priority: 1, pattern: {type: prefix, string: "guest."}, action: deny},
  {name: friends, priority: 2, pattern: {type: suffix, string: ".friend.test"}, action: allow}]}`)
	g.Roots = ours.pool
	for name, test := range map[string]struct {
		certificate *tls.Certificate
		want        int
	}{
		"a friend":              {sign(ours, "", "sip.friend.test"), 0},
		"a friend by CN":        {sign(ours, "SIP.friend.test", "other.test"), 0},
		"a guest":               {sign(ours, "", "guest.friend.test"), 403},
		"somebody else":         {sign(ours, "", "sip.elsewhere.test"), 403},
		"of another authority":  {sign(theirs, "", "sip.friend.test"), 403},
		"without a certificate": {nil, 403},
		"a friend and a guest":  {sign(ours, "", "sip.friend.test", "guest.friend.test"), 403},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server is not what is tested
			if test.certificate != nil {
				cfg.Certificates = []tls.Certificate{*test.certificate}
			}
			conn, err := tls.Dial("tcp", at.String(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			a := ask(t, "INVITE", "sip:x@elsewhere.test", "10.9.0.1:5060")
			if _, err := conn.Write(a.m.Append(nil)); err != nil {
				t.Fatal(err)
			}
			a.src = <-sources
			for range 2 { // the second time from memory
				if who, done := g.check(a); a.status() != test.want || done != (test.want != 0) || !done && who.Zone.Name != "DefaultZone" {
					t.Errorf("%+v, answered %d", who, a.status())
				}
			}
			g.Closed(a.src.Conn)
			if _, ok := g.names.Load(a.src.Conn); ok {
				t.Error("its names are remembered after it closed")
			}
		})
	}
}

func sign(a *authority, cn string, names ...string) *tls.Certificate {
	c := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: names})
	return &c
}
