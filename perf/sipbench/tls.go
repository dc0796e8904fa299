package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turnpike.dev/turnpike/perf/peers"
)

const (
	// connectionsOpen is how many TLS connections stand idle.
	connectionsOpen = 1000
	// connectionSources are the addresses that they come from: a node takes 200 of each.
	connectionSources = 10
)

// connections measures the memory of TLS connections on which one OPTIONS was answered.
func (b *bench) connections(ctx context.Context) error {
	b.each(ctx, "memory of TLS connections", setup{tls: true}, func(s *site) error { return b.idle(ctx, s) })
	return ctx.Err()
}

func (b *bench) idle(ctx context.Context, s *site) error {
	number := b.scaled(connectionsOpen)
	before, err := s.first(ctx)
	if err != nil {
		return err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := range number {
		c, err := s.connect(ctx, s.lab.ClientAddrs.V4[i%connectionSources])
		if err != nil {
			return fmt.Errorf("TLS connection %d: %w", i+1, err)
		}
		open = append(open, c)
	}
	if err := wait(ctx, 2*time.Second); err != nil {
		return err
	}
	after, err := s.sample()
	if err == nil {
		b.grown(s, "idle TLS connection", number, before, after, "")
	}
	return err
}

// connect opens a TLS connection and has an OPTIONS answered on it.
func (s *site) connect(ctx context.Context, from netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var raw net.Conn
	err := s.lab.Client.Do(func() (err error) {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		raw, err = dialer.DialContext(ctx, "tcp", s.server(peers.TLSPort).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // who it is does not matter here
	if err := errors.Join(c.HandshakeContext(ctx), ask(c, s.server(peers.TLSPort))); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func ask(c net.Conn, server netip.AddrPort) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := fmt.Fprintf(c, "OPTIONS sip:%s;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS %s;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:idle@%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		server, c.LocalAddr(), time.Now().UnixNano(), peers.Domain, server, time.Now().UnixNano())
	if err != nil {
		return err
	}
	for in := bufio.NewReader(c); ; {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(line) == "":
			return c.SetDeadline(time.Time{})
		case strings.HasPrefix(line, "SIP/2.0 ") && !strings.HasPrefix(line, "SIP/2.0 200"):
			return fmt.Errorf("OPTIONS was answered %s", strings.TrimSpace(line))
		}
	}
}

// selfSigned writes a certificate and its key.
func selfSigned(dir string) (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: peers.Domain}, DNSNames: []string{peers.Domain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return "", "", err
	}
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	return certificate, key, errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
}

func addPort(a netip.AddrPort, n int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), a.Port()+uint16(n))
}
