package main

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"turnpike.dev/turnpike/control/certificates"
	"turnpike.dev/turnpike/control/config"
)

// loadCertificate reads the certificate that a node file names for TURN; nil when it
// names none.
func loadCertificate(t *config.TLS) (*tls.Certificate, error) {
	if t == nil || t.Certificate == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read turn.tls.certificate and turn.tls.key: %w", err)
	}
	return &c, nil
}

// turnTLS serves whatever certificate is there at the time of a handshake: TURN's own,
// or else the node's.
func turnTLS(own *atomic.Pointer[tls.Certificate], node *certificates.Store) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := own.Load(); c != nil {
				return c, nil
			}
			return node.Server(), nil
		},
	}
}
