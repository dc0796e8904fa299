package mesh_test

import (
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"turnpike.dev/turnpike/cluster/mesh"
	"turnpike.dev/turnpike/cluster/wire"
)

// revocable makes a node refuse what it believed as soon as the channel is closed.
func (n *network) revocable(gone <-chan struct{}) func(*mesh.Config) {
	return func(c *mesh.Config) {
		c.Enforce = true
		c.Verify = func(chain []*x509.Certificate) error {
			select {
			case <-gone:
				return x509.CertificateInvalidError{Cert: chain[0], Reason: x509.Expired}
			default:
				return n.ca.verify(chain)
			}
		}
	}
}

// A certificate that expires while the connection stands ends it. // CL-05
func TestCertificateExpiresWhileConnected(t *testing.T) {
	n := newNetwork(t)
	gone := make(chan struct{})
	a := n.named(1, "a.example.test", n.revocable(gone))
	b := n.named(2, "b.example.test", enforce)
	list := []string{"a.example.test", "b.example.test"}
	a.List(list, 0, nil)
	b.List(list, 1, nil)
	a.run()
	b.run()
	a.awaitConnected("b.example.test")
	close(gone)
	a.CheckCertificates()
	a.certificateOf("b.example.test", about("expired"))
	a.await("the end", func(e event) bool { return e.what == "closed" && errors.Is(e.err, mesh.ErrCertificate) })
}

// CL-05: it ends whatever runs over it: also where a peer speaks over one kind of stream alone.
func TestCertificateExpiresOnAnyStream(t *testing.T) {
	for alpn, stream := range map[string]wire.Stream{"turnpike-rows/1": wire.Rows, "turnpike-requests/1": wire.Requests, "turnpike-raft/1": wire.Raft} {
		t.Run(alpn, func(t *testing.T) {
			n := newNetwork(t)
			gone := make(chan struct{})
			a := n.named(1, "a.example.test", n.revocable(gone))
			n.name("b.example.test", n.addr(2)) // nobody listens there
			a.List([]string{"a.example.test", "b.example.test"}, 0, nil)
			a.run()
			a.listens(n.addr(2))
			i, err := intrude(t, n.addr(2), a, n.ca.issue(t, time.Now().Add(time.Hour), "cluster.example.test", "b.example.test"), alpn)
			if err != nil {
				t.Fatal(err)
			}
			hello := helloOf("node-2")
			hello.Cluster = a.hello.Load().Cluster
			i.say(wire.Open{Stream: stream, Hello: hello})
			if _, err := i.hears(); err != nil {
				t.Fatal(err)
			}
			close(gone)
			a.CheckCertificates()
			a.certificateOf("b.example.test", about("expired"))
			for err == nil { // until the connection ends; the test's patience is its deadline
				_, err = i.hears()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stands")
			}
		})
	}
}
