package mesh_test

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/liveness"
	"turnpike.dev/turnpike/cluster/mesh"
)

func enforce(c *mesh.Config) { c.Enforce = true }

// named returns a node whose certificate of the authority carries its name.
func (n *network) named(i int, name string, change func(*mesh.Config)) *node {
	n.t.Helper()
	n.name(name, n.addr(i))
	x := n.prepare(i, change)
	x.cert.Store(n.ca.issue(n.t, time.Now().Add(time.Hour), "cluster.example.test", name))
	return x
}

// certificateOf waits for what is found of an entry's certificate.
func (n *node) certificateOf(address string, is func(fault string) bool) {
	n.t.Helper()
	n.await("certificate of "+address, func(e event) bool { return e.what == "certificate" && e.address == address && is(e.message.(string)) })
}

func about(words string) func(string) bool {
	return func(fault string) bool {
		return words == "" && fault == "" || words != "" && strings.Contains(fault, words)
	}
}

// With certificates in order peers talk when they are enforced, and the row says valid. // CL-05
func TestEnforce(t *testing.T) {
	n := newNetwork(t)
	a, b := n.named(1, "a.example.test", enforce), n.named(2, "b.example.test", enforce)
	list := []string{"a.example.test", "b.example.test"}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	a.certificateOf("b.example.test", about(""))
	a.awaitConnected("b.example.test")
	b.awaitConnected("a.example.test")
	b.until("both directions", func() bool { return b.SendEntry("a.example.test", liveness.Beat{}) })
	// A new key with a certificate in order needs no operator: it is shown, and the pin follows it.
	b.cert.Store(n.ca.issue(t, time.Now().Add(time.Hour), "b.example.test"))
	b.CheckCertificates()
	want := sha256.Sum256(b.cert.Load().Leaf.RawSubjectPublicKeyInfo)
	a.await("the new key", func(e event) bool { return e.what == "connected" && e.peer.Key == want })
}

// From Permissive with certificates that nodes made themselves to ones of an authority: a new key needs no operator
// where its certificate would do for Enforce.
func TestNewKeyWithCertificateInOrder(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	n.name("b.example.test", b.addr)
	list := []string{a.addr.String(), "b.example.test"}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	stop := b.run()
	a.certificateOf("b.example.test", about("no trusted authority"))
	a.awaitConnected("b.example.test")
	stop()
	b.cert.Store(n.ca.issue(t, time.Now().Add(time.Hour), "b.example.test"))
	b.make()
	b.List(list, 1, nil)
	b.run()
	a.certificateOf("b.example.test", about(""))
	a.until("it is spoken to", func() bool { return len(a.Peers()) > 0 })
}

// Each fault of a certificate is found in both modes; enforced it is a refusal. // CL-05 CL-07
func TestFaultsOfCertificates(t *testing.T) {
	for _, c := range []struct {
		name  string
		entry string // of the peer
		cert  func(n *network) *tls.Certificate
		fault string
	}{
		{"foreign authority", "b.example.test", func(n *network) *tls.Certificate {
			return newAuthority(n.t).issue(n.t, time.Now().Add(time.Hour), "b.example.test", "b.example.test")
		}, "no trusted authority"},
		{"made by itself", "b.example.test", func(n *network) *tls.Certificate { return selfSigned(n.t, "b.example.test") }, "no trusted authority"},
		{"another name", "b.example.test", func(n *network) *tls.Certificate {
			return n.ca.issue(n.t, time.Now().Add(time.Hour), "cluster.example.test", "c.example.test")
		}, "does not carry the name b.example.test"},
		{"expired", "b.example.test", func(n *network) *tls.Certificate {
			return n.ca.issue(n.t, time.Now().Add(-time.Minute), "b.example.test", "b.example.test")
		}, "expired, or a clock is wrong"},
		{"an address as the entry", "", func(n *network) *tls.Certificate {
			return n.ca.issue(n.t, time.Now().Add(time.Hour), "b.example.test", "b.example.test")
		}, "the entry is an address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Run("permissive", func(t *testing.T) {
				n := newNetwork(t)
				a, entry := withFault(n, c.entry, c.cert, nil)
				a.certificateOf(entry, about(c.fault))
				a.awaitConnected(entry)
			})
			t.Run("enforced", func(t *testing.T) {
				n := newNetwork(t)
				a, entry := withFault(n, c.entry, c.cert, enforce)
				a.certificateOf(entry, about(c.fault))
				if why := a.awaitFailed(entry, mesh.ErrCertificate); !strings.Contains(why, c.fault) {
					t.Errorf("told %s", why)
				}
				a.until("it is counted", func() bool { return a.Refused()["certificate"] > 0 })
				if len(a.Peers()) > 0 {
					t.Error("it is spoken to")
				}
			})
		})
	}
}

// withFault runs two nodes, the second with a certificate that is at fault.
func withFault(n *network, entry string, cert func(*network) *tls.Certificate, change func(*mesh.Config)) (a *node, _ string) {
	if entry == "" {
		entry = n.addr(2).String()
	}
	a = n.named(1, "a.example.test", change)
	n.name("b.example.test", n.addr(2))
	b := n.prepare(2, nil) // it would speak to anybody
	b.cert.Store(cert(n))
	list := []string{"a.example.test", entry}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	return a, entry
}

// The common name counts as well as the alternative names. // CL-05
func TestCommonNameCounts(t *testing.T) {
	n := newNetwork(t)
	a := n.named(1, "a.example.test", enforce)
	b := n.named(2, "b.example.test", enforce)
	b.cert.Store(n.ca.issue(t, time.Now().Add(time.Hour), "b.example.test", "cluster.example.test"))
	list := []string{"a.example.test", "b.example.test"}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	a.awaitConnected("b.example.test")
}

// A changed key is refused until the operator trusts it; a restart of this node does not forget. // CL-05
func TestChangedKey(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	stop := a.run()
	b.run()
	address := b.addr.String()
	a.awaitConnected(address)
	stop()

	b.cert.Store(selfSigned(t, "node2"))
	a.make()
	a.List(list, 0, nil)
	a.run()
	a.awaitFailed(address, mesh.ErrKey)
	b.await("it is told why", func(e event) bool {
		return e.what == "failed" && errors.Is(e.err, mesh.ErrRefused) && strings.Contains(e.err.Error(), "turnpike cluster trust")
	})
	a.until("it is counted", func() bool { return a.Refused()["key"] > 0 })
	a.until("it is logged", func() bool { return a.log.has("Cluster Connection Refused") })
	if len(a.Peers()) != 0 {
		t.Fatal("it is spoken to")
	}
	if err := a.Trust(address); err != nil {
		t.Fatal(err)
	}
	a.awaitConnected(address)
	if err := a.Trust("nobody.example.test"); err == nil {
		t.Error("trusts who is not in the list")
	}
}

// Another node with the key of a peer, and a peer that says it is another entry. // CL-05
func TestAnotherNode(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	a.awaitConnected(b.addr.String())
	h := *b.hello.Load()
	h.ID = "node-5"
	b.hello.Store(&h)
	b.List([]string{b.addr.String()}, 0, nil)
	b.List([]string{a.addr.String(), b.addr.String()}, 1, nil)
	a.awaitFailed(b.addr.String(), mesh.ErrOther)

	c := n.prepare(3, nil)
	also := h
	also.ID = "node-2"
	c.hello.Store(&also)
	list := []string{a.addr.String(), b.addr.String(), c.addr.String()}
	c.List(list, 2, nil)
	c.run()
	a.List(list, 0, nil)
	a.awaitFailed(c.addr.String(), mesh.ErrDuplicate)
}

// An entry that is this node itself is found out. // CL-01
func TestEntryThatIsThisNode(t *testing.T) {
	n := newNetwork(t)
	a := n.prepare(1, nil)
	n.name("also.example.test", a.addr)
	a.List([]string{a.addr.String(), "also.example.test"}, 0, nil)
	a.run()
	a.awaitFailed("also.example.test", mesh.ErrSelf)
}

// An address that no entry stands for gets not as far as TLS. // CL-05
func TestUnlistedAddress(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	a.List([]string{a.addr.String()}, 0, nil)
	b.List([]string{a.addr.String(), b.addr.String()}, 1, nil)
	a.run()
	b.run()
	a.awaitFailed(b.addr.String(), mesh.ErrUnlisted)
	b.awaitFailed(a.addr.String(), mesh.ErrUnreachable)
	a.until("it is counted", func() bool { return a.Refused()["unlisted"] > 0 })
}

// What only stands in DNS counts by what DNS says, not by what the certificate says. // CL-05
func TestRogueOnDeadPeersAddress(t *testing.T) {
	for _, mode := range []struct {
		name   string
		change func(*mesh.Config)
		want   error
	}{{"permissive", nil, mesh.ErrKey}, {"enforced", enforce, mesh.ErrCertificate}} {
		t.Run(mode.name, func(t *testing.T) {
			n := newNetwork(t)
			a, b := n.named(1, "a.example.test", mode.change), n.named(2, "b.example.test", mode.change)
			list := []string{"a.example.test", "b.example.test"}
			a.List(list, 0, nil)
			b.List(list, 1, nil)
			a.run()
			stop := b.run()
			a.awaitConnected("b.example.test")
			stop()
			rogue := n.prepare(2, nil)
			rogue.List(list, 1, nil)
			rogue.run()
			a.awaitFailed("b.example.test", mode.want)
			rogue.await("refused", func(e event) bool { return e.what == "failed" && errors.Is(e.err, mesh.ErrRefused) })
			a.until("nothing stands", func() bool { return len(a.Peers()) == 0 })
		})
	}
}

// A raft stream needs the same cluster id on both sides, and one at all. // CL-02
func TestOldClusterID(t *testing.T) {
	n := newNetwork(t)
	a, b := n.pair(nil)
	a.awaitConnected(b.addr.String())
	for _, id := range []string{"c0", ""} {
		h := *b.hello.Load()
		h.Cluster = id
		b.hello.Store(&h)
		if _, err := a.Raft(t.Context(), "node-2"); !errors.Is(err, mesh.ErrRefused) || !strings.Contains(err.Error(), mesh.ErrCluster.Error()) {
			t.Errorf("with %q: %v", id, err)
		}
		if _, err := b.Raft(t.Context(), "node-1"); err == nil {
			t.Errorf("it opens a stream with %q", id)
		}
	}
	b.awaitFailed(a.addr.String(), mesh.ErrCluster)
	b.until("both are counted", func() bool { return b.Refused()["cluster"] == 2 })
}

// A peer two versions of the protocol away is told so, and nothing of it is taken. // OP-03
func TestProtocolTooFarAway(t *testing.T) {
	n := newNetwork(t)
	a, b := n.prepare(1, nil), n.prepare(2, nil)
	h := *b.hello.Load()
	h.Settings.Protocol += 2
	b.hello.Store(&h)
	list := []string{a.addr.String(), b.addr.String()}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	a.awaitFailed(b.addr.String(), mesh.ErrProtocol)
}

// A damaged file of keys is no reason to trust anybody: the node says what to do.
func TestDamagedPins(t *testing.T) {
	n := newNetwork(t)
	a := n.prepare(1, nil)
	file := filepath.Join(a.cfg.Dir, "pins.json")
	if err := os.WriteFile(file, []byte(`[{"address":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mesh.New(a.cfg); err == nil || !strings.Contains(err.Error(), "remove "+file) {
		t.Errorf("error %v", err)
	}
}
