package mesh

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ALPN of the streams; rows is of two connections. Anything else, or none, is refused.
const (
	alpnRows     = "turnpike-rows/1"
	alpnRequests = "turnpike-requests/1"
	alpnRaft     = "turnpike-raft/1"
	alpnRecovery = "turnpike-recovery/1"
)

// tls returns how to speak TLS. Both sides show a certificate and prove that they have its key;
// whether it is the right one is decided afterwards, by the entry (see judge), so that the fault can be told in words.
// There are no tickets: each connection is judged.
func (m *Mesh) tls(l *line, protocols ...string) *tls.Config {
	l.shown = m.cfg.Certificate()
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             protocols,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.shown, nil },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.shown, nil },
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // judge verifies
		SessionTicketsDisabled: true,
	}
}

// keyOf is what is pinned of a certificate: it stays when the certificate is renewed for the same key.
func keyOf(c *x509.Certificate) [32]byte { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// fault says what is wrong with the certificate of an entry, as Enforce sees it; empty: it is valid (CL-05, CL-07).
func (m *Mesh) fault(address string, chain []*x509.Certificate) string {
	if _, err := netip.ParseAddr(address); err == nil {
		return "the entry is an address: enforcing needs the name that is in the certificate"
	}
	if err := m.cfg.Verify(chain); err != nil {
		return inWords(err)
	}
	if !carries(chain[0], address) {
		return fmt.Sprintf("it does not carry the name %s", address)
	}
	return ""
}

// carries says whether a certificate has a name as a subject alternative name or as its common name.
func carries(c *x509.Certificate, name string) bool {
	return strings.EqualFold(c.Subject.CommonName, name) || c.VerifyHostname(name) == nil
}

// inWords says why a certificate is not valid, as short as an operator needs it.
func inWords(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "no trusted authority signed it"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired && e.Cert != nil {
		return fmt.Sprintf("valid from %s to %s only: it has expired, or a clock is wrong", e.Cert.NotBefore.UTC().Format(time.DateTime), e.Cert.NotAfter.UTC().Format(time.DateTime))
	}
	return err.Error()
}
