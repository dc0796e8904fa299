package main

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"turnpike.dev/turnpike/control/config"
)

// loadCertificate reads the certificate that a node file names; nil when it names none.
func loadCertificate(t *config.TLS) (*tls.Certificate, error) {
	if t == nil {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read turn.tls.certificate and turn.tls.key: %w", err)
	}
	return &c, nil
}

// serverTLS serves whatever certificate current holds at the time of a handshake.
func serverTLS(current *atomic.Pointer[tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current.Load(), nil
		},
	}
}
