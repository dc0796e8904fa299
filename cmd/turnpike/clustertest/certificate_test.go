package clustertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike.dev/turnpike/perf/lab/wallclock"
)

// CL-05, CL-07: in Enforce a certificate that is over, for one of the peers by its wrong clock, and certificates that were swapped
// are told by name, shut out whom they concern and nobody else, and all is well when they are put right.
func TestCertificatesOverAndSwapped(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, 0)
	ca := newIssuer(t)
	var names, mapping []string
	for i := range r.Nodes {
		names = append(names, fmt.Sprintf("tp%d.example.test", i+1))
		mapping = append(mapping, fmt.Sprintf("{name: %s, address: %s}", names[i], r.Star.Addr(i)))
	}
	for _, n := range r.Nodes {
		must(t, n.Write(fmt.Sprintf("cluster: {name: cluster1.example.test, primary: 1, ip: ipv4, peers: [%s]}\ncluster_mapping: {mode: on, entries: [%s]}\n%s",
			strings.Join(names, ", "), strings.Join(mapping, ", "), more)))
		must(t, n.Start(t.Context()))
	}
	r.whole(30*time.Second, 0, 1, 2)
	files := make([][]string, 3) // chain and key of each
	trusted := ca.file(t, "CERTIFICATE", ca.cert.Raw)
	for i, lasts := range []time.Duration{time.Hour, time.Hour, 10 * time.Minute} {
		r.run(i, "certificate", "trust", trusted)
		files[i] = ca.issue(t, names[i], lasts)
	}
	for i := range r.Nodes {
		r.run(i, append([]string{"certificate", "upload"}, files[i]...)...)
	}
	r.valid(20*time.Second, 0, 1, 2)
	r.run(0, "cluster", "tls", "enforce")
	clocks := make([]*wallclock.Clock, 3)
	for i, n := range r.Nodes {
		must(t, n.End(unix.SIGTERM))
		var err error
		clocks[i], err = n.StartOff(t.Context(), 0)
		must(t, err)
		r.whole(30*time.Second, 0, 1, 2)
	}
	r.quiet(15*time.Second, nil, 0, 1, 2)

	r.part("Over", func(t *testing.T, r *rig) {
		must(t, clocks[1].Set(30*time.Minute)) // for which the third's is over
		r.tells(40*time.Second, 1, "expired")
		r.peer(10*time.Second, 2, 1, "failed", failed)
		r.peer(time.Second, 0, 1, "active", active)
		r.peer(time.Second, 0, 2, "active", active)
		r.run(2, append([]string{"certificate", "upload"}, ca.issue(t, names[2], time.Hour)...)...)
		r.whole(30*time.Second, 0, 1, 2)
		r.quiet(15*time.Second, nil, 0, 1, 2)
	})
	r.part("Swapped", func(t *testing.T, r *rig) {
		r.run(1, append([]string{"certificate", "upload"}, files[0]...)...)
		r.run(0, append([]string{"certificate", "upload"}, files[1]...)...)
		r.tells(40*time.Second, 2, names[0])
		r.tells(40*time.Second, 2, names[1])
		r.run(0, append([]string{"certificate", "upload"}, files[0]...)...)
		r.run(1, append([]string{"certificate", "upload"}, files[1]...)...)
		r.whole(30*time.Second, 0, 1, 2)
		r.quiet(15*time.Second, nil, 0, 1, 2)
	})
}

// valid waits until nodes find nothing wrong with any peer's certificate.
func (r *rig) valid(d time.Duration, nodes ...int) {
	r.t.Helper()
	for _, i := range nodes {
		r.within(d, "certificates are valid", func() error {
			st, err := r.Nodes[i].API.Cluster(r.t.Context())
			for _, p := range st.Peers {
				if p.Certificate != "Valid" {
					return fmt.Errorf("that of %s is %s", p.Address, p.Certificate)
				}
			}
			return err
		})
	}
}

// tells waits until 20004 of a node says something.
func (r *rig) tells(d time.Duration, i int, what string) {
	r.t.Helper()
	r.within(d, "20004 says "+what, func() error {
		all, err := r.Nodes[i].API.Alarms(r.t.Context())
		for _, a := range all {
			if a.Number == 20004 && a.Stands() && strings.Contains(a.Detail, what) {
				return nil
			}
			if a.Number == 20004 {
				err = fmt.Errorf("it says %s", a.Detail)
			}
		}
		if err == nil {
			err = fmt.Errorf("it does not stand")
		}
		return err
	})
}

// issuer is an authority of a test.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
	made int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	c := &issuer{dir: t.TempDir()}
	c.cert = &x509.Certificate{Subject: pkix.Name{CommonName: "the operator's authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c.cert, c.key = c.sign(t, c.cert, 24*time.Hour)
	return c
}

// sign fills in what each certificate has; the first is the issuer's own.
func (c *issuer) sign(t *testing.T, of *x509.Certificate, lasts time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c.made++
	of.SerialNumber, of.NotBefore, of.NotAfter = big.NewInt(c.made), time.Now().Add(-time.Hour), time.Now().Add(lasts)
	by := c.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, of, c.cert, &key.PublicKey, by)
	must(t, err)
	out, err := x509.ParseCertificate(der)
	must(t, err)
	return out, key
}

// issue makes a certificate of a name, and returns the files of it and of its key.
func (c *issuer) issue(t *testing.T, name string, lasts time.Duration) []string {
	t.Helper()
	cert, key := c.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "cluster1.example.test"}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, lasts)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return []string{c.file(t, "CERTIFICATE", cert.Raw), c.file(t, "PRIVATE KEY", der)}
}

func (c *issuer) file(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(c.dir, fmt.Sprintf("%d-%s", c.made, strings.ReplaceAll(kind, " ", "-")))
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}
