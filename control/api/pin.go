package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"turnpike.dev/turnpike/control/certificates"
)

// pinned trusts the one certificate with a fingerprint (SHA-256, hexadecimal): for nodes
// with a certificate of their own making.
func pinned(fingerprint string) *tls.Config {
	want := strings.ToLower(strings.ReplaceAll(fingerprint, ":", ""))
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection takes its place
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("the node showed no certificate")
			}
			if got := certificates.Fingerprint(s.PeerCertificates[0]); got != want {
				return fmt.Errorf("the node shows another certificate than the one that is pinned: its SHA-256 is %s. If that is what `turnpike certificate show` says on the node, log in again with --pin %s", got, got)
			}
			return nil
		},
	}
}

// trusting trusts the authorities of a PEM file besides those of the system.
func trusting(pem []byte) (*tls.Config, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(pem) > 0 && !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in the file of authorities: want PEM")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
