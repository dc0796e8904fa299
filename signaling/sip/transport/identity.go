package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"turnpike.dev/turnpike/signaling/sip/message"
)

// ErrNoCertificate says that there is nothing to verify.
var ErrNoCertificate = errors.New("the other side showed no certificate")

// Identities verifies the chain of the other side's certificate and returns the SIP
// domains it is for (RFC 5922 section 7.1): those of SIP URIs without a user; only if there
// are none, the DNS names. Addresses are returned too, for peers that are configured by
// address. The common name counts for nothing.
func Identities(s tls.ConnectionState, roots *x509.CertPool) ([]string, error) {
	if len(s.PeerCertificates) == 0 {
		return nil, ErrNoCertificate
	}
	leaf, between := s.PeerCertificates[0], x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	// Domain certificates are used in both directions (RFC 5924 section 3).
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, fmt.Errorf("verify the other side's certificate: %w", err)
	}
	return domains(leaf), nil
}

func domains(leaf *x509.Certificate) []string {
	var names []string
	for _, u := range leaf.URIs {
		uri, err := message.ParseURI(u.String())
		if err == nil && uri.Scheme == "sip" && uri.User == "" {
			names = append(names, strings.ToLower(uri.Host))
		}
	}
	if len(names) == 0 {
		for _, n := range leaf.DNSNames {
			names = append(names, strings.ToLower(n))
		}
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, a.Unmap().String())
		}
	}
	return names
}

// Verify checks that the other side of a handshake is that domain. A wildcard in a
// certificate matches nothing (RFC 5922 section 7.2).
func Verify(s tls.ConnectionState, roots *x509.CertPool, name string) error {
	names, err := Identities(s, roots)
	if err != nil {
		return err
	}
	if !slices.Contains(names, strings.TrimSuffix(strings.ToLower(name), ".")) {
		return fmt.Errorf("the other side's certificate is for %s, not for %s (names are compared as they are, without wildcards)", strings.Join(names, ", "), name)
	}
	return nil
}
