package certificates

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// CL-05
func TestVerify(t *testing.T) {
	root, foreign := newAuthority(t, "root"), newAuthority(t, "foreign")
	middle := root.under("middle")
	good := middle.leaf(ecKey(t).Public(), "tp2.example.org", nil)
	byName := middle.leaf(ecKey(t).Public(), "tp2.example.org", func(c *x509.Certificate) { c.DNSNames = nil })
	revoked := middle.leaf(ecKey(t).Public(), "tp2.example.org", nil)
	old := middle.leaf(ecKey(t).Public(), "tp2.example.org", func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) })

	s := openStore(t, newMemory())
	if err := s.SetTrust(pemOf(root.cert, middle.cert)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetRevoked(middle.revoke(revoked)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		leaf *x509.Certificate
		name string
		ok   bool
	}{
		"alternative name":                    {good, "tp2.example.org", true},
		"any name":                            {good, "", true},
		"another name":                        {good, "tp3.example.org", false},
		"common name where there is no other": {byName, "tp2.example.org", true},
		"common name of another":              {byName, "tp3.example.org", false},
		"foreign authority":                   {foreign.leaf(ecKey(t).Public(), "tp2.example.org", nil), "", false},
		"revoked":                             {revoked, "", false},
		"expired":                             {old, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Verify([]*x509.Certificate{c.leaf, middle.cert}, c.name); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := s.Verify([]*x509.Certificate{revoked}, ""); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked: got %v", err)
	}
	if err := s.Verify(nil, ""); err == nil {
		t.Error("no certificate was taken for a good one")
	}
}

func TestTrustList(t *testing.T) {
	files := newMemory()
	s := openStore(t, files)
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	if err := errors.Join(s.SetTrust(pemOf(a.cert)), s.AddTrust(pemOf(b.cert, a.cert))); err != nil {
		t.Fatal(err)
	}
	subjects := func() []string {
		var all []string
		for _, i := range openStore(t, files).TrustInfo() {
			all = append(all, i.Subject)
		}
		return all
	}
	if diff := cmp.Diff([]string{"CN=a", "CN=b"}, subjects()); diff != "" {
		t.Errorf("after adding: %s", diff)
	}
	if err := s.RemoveTrust(Fingerprint(a.cert)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CN=b"}, subjects()); diff != "" {
		t.Errorf("after removing: %s", diff)
	}
	if err := s.RemoveTrust(Fingerprint(a.cert)); err == nil {
		t.Error("removed what was not there")
	}
	leaf := a.leaf(ecKey(t).Public(), "x.example.org", nil)
	if err := s.AddTrust(pemOf(leaf)); !errors.Is(err, ErrNotAuthority) {
		t.Errorf("a leaf as an authority: got %v", err)
	}
	if err := s.SetRevoked(a.revoke()); err == nil {
		t.Error("a list by somebody who is not trusted was taken")
	}
	if diff := cmp.Diff([]string{"CN=b"}, subjects()); diff != "" {
		t.Errorf("after what was refused: %s", diff)
	}
}

func TestStaleRevocationListsAreNamed(t *testing.T) {
	s := openStore(t, newMemory())
	root := newAuthority(t, "root")
	if err := errors.Join(s.SetTrust(pemOf(root.cert)), s.SetRevoked(root.revoke())); err != nil {
		t.Fatal(err)
	}
	if got := s.Stale(start.Add(time.Hour)); len(got) != 0 {
		t.Errorf("within its time: %v", got)
	}
	if diff := cmp.Diff([]string{"CN=root"}, s.Stale(start.Add(25*time.Hour))); diff != "" {
		t.Errorf("after its time: %s", diff)
	}
}

// standing is the alarms that are raised.
type standing map[int]string

func (s standing) Raise(number int, _, detail string) { s[number] = detail }
func (s standing) Lower(number int, _ string)         { delete(s, number) }

// AL-01
func TestAlarmsOfTheServerCertificate(t *testing.T) {
	now := start
	s, err := Open(Config{Files: newMemory(), Host: "tp1.example.org", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	key, raised := ecKey(t), make(standing)
	judge := func() map[int]string { s.Judge(raised); return raised }
	if err := s.SetServer(pemOf(newAuthority(t, "root").leaf(key.Public(), "tp1.example.org", nil)), pemKey(t, key)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]string{}, judge()); diff != "" {
		t.Errorf("a good certificate: %s", diff)
	}
	now = start.Add(80 * 24 * time.Hour)
	if diff := cmp.Diff(map[int]string{AlarmExpiring: "expires in 10 days, at 2026-04-02T03:04:05Z"}, judge()); diff != "" {
		t.Errorf("10 days before: %s", diff)
	}
	now = start.Add(90 * 24 * time.Hour)
	if diff := cmp.Diff(map[int]string{AlarmExpired: "expired at 2026-04-02T03:04:05Z"}, judge()); diff != "" {
		t.Errorf("expired: %s", diff)
	}
	nameless := newAuthority(t, "root").leaf(key.Public(), "", func(c *x509.Certificate) {
		c.DNSNames, c.NotAfter = []string{"tp1.example.org"}, now.Add(365*24*time.Hour)
	})
	if err := s.SetServer(pemOf(nameless), pemKey(t, key)); err != nil {
		t.Fatal(err)
	}
	want := "serial number " + s.Server().Leaf.SerialNumber.Text(16)
	if diff := cmp.Diff(map[int]string{AlarmNoName: want}, judge()); diff != "" {
		t.Errorf("without a name: %s", diff)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]string{}, judge()); diff != "" {
		t.Errorf("after a new one: %s", diff)
	}
}

func FuzzUploads(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := newMemory()
		s := openStore(t, files)
		before := s.Server().Leaf
		if s.SetServer(data, data) != nil && !s.Server().Leaf.Equal(before) {
			t.Error("a refused upload changed the certificate")
		}
		if err := s.SetTrust(data); err == nil && len(s.TrustInfo()) == 0 {
			t.Error("an empty trust list was taken for one")
		}
		_ = s.SetRevoked(data)
		openStore(t, files) // what was kept can be read again
	})
}
