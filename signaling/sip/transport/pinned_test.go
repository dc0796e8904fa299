package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
)

func keyOf(t *testing.T, c *tls.Certificate) [sha256.Size]byte {
	t.Helper()
	return sha256.Sum256(parseCert(t, c.Certificate[0]).RawSubjectPublicKeyInfo)
}

// RG-01: at the address of a peer of the cluster nobody else is spoken to, over no connection.
func TestPinnedKey(t *testing.T) {
	self := authority(t)
	right, wrong := self.certificate(t, "peer.test"), self.certificate(t, "peer.test")
	var shown atomic.Pointer[tls.Certificate]
	var wanted atomic.Pointer[[sha256.Size]byte]
	key := keyOf(t, right)
	shown.Store(right)
	wanted.Store(&key)
	far := start(t, func(c *Config) { c.Certificate = func() (*tls.Certificate, error) { return shown.Load(), nil } })
	near := start(t, func(c *Config) {
		c.Pinned = func(at netip.AddrPort) ([sha256.Size]byte, bool) { return *wanted.Load(), at == far.at(loop.TLS) }
	})
	hop := Hop{Transport: loop.TLS, Remote: far.at(loop.TLS)}
	send := func() chan error {
		told := make(chan error, 1)
		near.Send(hop, near.options(t, hop, 0).Append(nil), func(err error) { told <- err })
		return told
	}
	send()
	wait(t, far.came, "the request")

	// The peer has another key now: what is open was good for the old one.
	other := keyOf(t, wrong)
	wanted.Store(&other)
	if err := wait(t, send(), "the failure"); !errors.Is(err, ErrKey) {
		t.Errorf("the wrong one was spoken to: %v", err)
	}
	shown.Store(wrong)
	send()
	wait(t, far.came, "the request to the new key")

	elsewhere := start(t, nil) // who is no peer may have any key
	hop.Remote = elsewhere.at(loop.TLS)
	send()
	wait(t, elsewhere.came, "the request to somebody else")
}
