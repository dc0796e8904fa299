package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"

	"turnpike.dev/turnpike/signaling/loop"
	"turnpike.dev/turnpike/signaling/sip/message"
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

// RG-04: a peer may be lost before a request to it goes, and its address taken by somebody else; so
// the hop says whom it is for, and answers go back to who asked.
func TestKeyOfHop(t *testing.T) {
	self := authority(t)
	right, wrong := self.certificate(t, "peer.test"), self.certificate(t, "peer.test")
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(wrong)
	far := start(t, func(c *Config) { c.Certificate = func() (*tls.Certificate, error) { return shown.Load(), nil } })
	near := start(t, nil)
	hop := Hop{Transport: loop.TLS, Remote: far.at(loop.TLS)}
	send := func(h Hop) chan error {
		told := make(chan error, 1)
		near.Send(h, near.options(t, h, 0).Append(nil), func(err error) { told <- err })
		return told
	}
	send(hop) // whom anybody may be
	stranger := wait(t, far.came, "the request")

	meant := hop
	meant.Key = keyOf(t, right)
	if err := wait(t, send(meant), "the failure"); !errors.Is(err, ErrKey) {
		t.Errorf("a stranger got the request over a new connection or an old one: %v", err)
	}
	plain := meant
	plain.Transport = loop.TCP
	if err := wait(t, send(plain), "the failure"); !errors.Is(err, ErrKey) {
		t.Errorf("a request to a peer went without a key: %v", err)
	}
	shown.Store(right)
	send(meant)
	came := wait(t, far.came, "the request to the peer")
	if came.src.Remote == stranger.src.Remote {
		t.Error("it came over the stranger's connection")
	}
}

// Who asked as a peer gets the answer, and whoever listens at its address when it has gone does not.
func TestAnswersToBound(t *testing.T) {
	self := authority(t)
	near, far := start(t, withCertificate(self.certificate(t, "near.test"))), start(t, withCertificate(self.certificate(t, "far.test")))
	hop := Hop{Transport: loop.TLS, Remote: near.at(loop.TLS)}
	far.Send(hop, far.options(t, hop, 0).Append(nil), fail(t))
	r := wait(t, near.came, "the request")
	early := AnswerHop(r.src, r.m.Via()) // as a transaction makes it, before anybody has looked
	r.src.Conn.Bind()
	if h := AnswerHop(r.src, r.m.Via()); h.Key != r.src.Conn.Key() || h.Key == anybody {
		t.Errorf("the answer is for %x", h.Key)
	}
	r.src.Conn.Close()
	somebody := start(t, withCertificate(self.certificate(t, "far.test")))
	early.Remote = somebody.at(loop.TLS)
	told := make(chan error, 1)
	near.Send(early, message.NewResponse(r.m, 200, "").Append(nil), func(err error) { told <- err })
	if err := wait(t, told, "the failure"); !errors.Is(err, ErrKey) {
		t.Errorf("somebody else got the answer: %v", err)
	}
}

func withCertificate(c *tls.Certificate) func(*Config) {
	return func(cfg *Config) {
		cfg.AskClients, cfg.Certificate = true, func() (*tls.Certificate, error) { return c, nil }
	}
}
