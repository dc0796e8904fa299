package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/netip"

	"turnpike.dev/turnpike/signaling/loop"
)

// serverTLS is how others connect to us. A certificate they show is looked at later, by
// PeerNames: a phone with a certificate of its maker is welcome too.
func (t *Transport) serverTLS() *tls.Config {
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.cfg.Certificate() },
	}
	if t.cfg.AskClients {
		cfg.ClientAuth = tls.RequestClientCert
	}
	return cfg
}

// clientTLS is how we connect to others. Names are verified by RFC 5922 and not as of web
// servers, so crypto/tls is told not to.
func (t *Transport) clientTLS(to queueKey) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: to.name, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if key := t.wanted(to.remote, to.key); key != anybody && !proves(s, key) {
				return ErrKey
			}
			if to.name == "" {
				return nil
			}
			return Verify(s, t.roots(), to.name)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			none := &tls.Certificate{} // crypto/tls panics at nil
			if t.cfg.Certificate == nil {
				return none, nil
			}
			own, err := t.cfg.Certificate()
			if own == nil && err == nil {
				return none, nil
			}
			return own, err
		},
	}
}

// anybody is the key that everybody has.
var anybody [sha256.Size]byte

// wanted returns the key that the other end of a connection to an address must have: at the address of
// a peer of the cluster that lives the peer's, otherwise what the hop says.
func (t *Transport) wanted(at netip.AddrPort, key [sha256.Size]byte) [sha256.Size]byte {
	if t.cfg.Pinned != nil {
		if now, pinned := t.cfg.Pinned(at); pinned {
			return now
		}
	}
	return key
}

func proves(s tls.ConnectionState, key [sha256.Size]byte) bool {
	return len(s.PeerCertificates) > 0 && sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo) == key
}

func (t *Transport) roots() *x509.CertPool {
	if t.cfg.Roots == nil {
		return nil
	}
	return t.cfg.Roots()
}

// PeerNames returns the domains that the other end of a TLS connection has proved to be
// (RFC 5922 section 7.4): none for TCP, without a certificate, and with one that nobody we
// believe has signed.
func (t *Transport) PeerNames(c *loop.Conn) []string {
	if c == nil {
		return nil
	}
	if known, ok := t.names.Load(c); ok {
		return known.([]string)
	}
	state, ok := c.State()
	if !ok {
		return nil
	}
	names, _ := Identities(state, t.roots())
	t.names.Store(c, names)
	if c.Why() != nil { // closed meanwhile: nobody would take it out
		t.names.Delete(c)
	}
	return names
}
