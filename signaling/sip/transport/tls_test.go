package transport

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
)

func TestNamesOfRFC5922(t *testing.T) {
	trusted, stranger := authority(t), authority(t)
	for _, c := range []struct {
		name  string
		by    *ca
		names []string
		want  string // name that is asked for
		ok    bool
	}{
		{"DNS name", trusted, []string{"example.test"}, "Example.TEST", true},
		{"SIP URI", trusted, []string{"sip:example.test"}, "example.test", true},
		{"another name", trusted, []string{"example.test"}, "example.org", false},
		{"wildcard", trusted, []string{"*.example.test"}, "a.example.test", false},
		{"DNS name beside a SIP URI", trusted, []string{"example.test", "sip:example.org"}, "example.test", false},
		{"SIP URI of a user", trusted, []string{"sip:a@example.test"}, "example.test", false},
		{"address", trusted, []string{"192.0.2.1"}, "192.0.2.1", true},
		{"nobody's signature", stranger, []string{"example.test"}, "example.test", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := c.by.certificate(t, c.names...)
			state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{parseCert(t, cert.Certificate[0])}}
			if err := Verify(state, trusted.pool(), c.want); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
		})
	}
	if err := Verify(tls.ConnectionState{}, trusted.pool(), "example.test"); err == nil {
		t.Error("nothing was shown, and believed")
	}
}

func TestNameIsVerifiedAtTheHandshake(t *testing.T) {
	trusted := authority(t)
	var cert atomic.Pointer[tls.Certificate]
	cert.Store(trusted.certificate(t, "example.org"))
	far := start(t, func(c *Config) { c.Certificate = func() (*tls.Certificate, error) { return cert.Load(), nil } })
	near := start(t, func(c *Config) { c.Roots = trusted.pool })
	hop := Hop{Transport: loop.TLS, Remote: far.at(loop.TLS), Name: "example.test"}

	told := make(chan error, 1)
	near.Send(hop, near.options(t, hop, 0).Append(nil), func(err error) { told <- err })
	if err := wait(t, told, "the failure"); !strings.Contains(err.Error(), "example.org") {
		t.Errorf("%v", err)
	}
	cert.Store(trusted.certificate(t, "example.test")) // reloaded
	near.Send(hop, near.options(t, hop, 0).Append(nil), fail(t))
	if got := wait(t, far.came, "the request"); far.PeerNames(got.src.Conn) != nil {
		t.Error("names without having asked for a certificate")
	}
	// A connection is good for the name that it was verified for, and for no other.
	hop.Name = "example.org"
	near.Send(hop, near.options(t, hop, 0).Append(nil), func(err error) { told <- err })
	if err := wait(t, told, "the failure"); err == nil {
		t.Error("sent")
	}
}

func TestWhoConnectsShowsACertificate(t *testing.T) {
	trusted, stranger := authority(t), authority(t)
	node := start(t, func(c *Config) { c.AskClients, c.Roots = true, trusted.pool })
	for _, c := range []struct {
		name string
		cert *tls.Certificate
		want []string
	}{
		{"of a peer", trusted.certificate(t, "peer.test"), []string{"peer.test"}},
		{"of a phone's maker", stranger.certificate(t, "peer.test"), nil},
		{"none", nil, nil},
		{"none yet", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := start(t, func(cfg *Config) {
				cfg.TLS, cfg.Certificate = nil, nil
				if c.name != "none" {
					cfg.Certificate = func() (*tls.Certificate, error) { return c.cert, nil }
				}
			})
			hop := Hop{Transport: loop.TLS, Remote: node.at(loop.TLS)}
			from.Send(hop, []byte(text(client(t, "udp", from.at(loop.UDP)), "OPTIONS")), fail(t))
			got := wait(t, node.came, "the request")
			for range 2 {
				if names := node.PeerNames(got.src.Conn); !slices.Equal(names, c.want) {
					t.Errorf("%v, want %v", names, c.want)
				}
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	n := start(t, nil)
	c := tls.Client(client(t, "tcp", n.at(loop.TLS)), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err := c.Handshake(); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}
