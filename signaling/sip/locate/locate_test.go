package locate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"turnpike.dev/turnpike/signaling/sip/message"
	"turnpike.dev/turnpike/signaling/sip/transport"
)

func uri(t testing.TB, text string) message.URI {
	t.Helper()
	u, err := message.ParseURI(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// lines writes hops as a test reads them.
func lines(hops []transport.Hop) (out []string) {
	for _, h := range hops {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", h.Transport, h.Remote, h.Name)))
	}
	return out
}

func resolver(s *server, change ...func(*Config)) *Resolver {
	c := Config{Servers: []netip.AddrPort{s.at}, Random: first, Search: []string{"example.test"}, Hosts: "/nonexistent"}
	for _, f := range change {
		f(&c)
	}
	return New(c)
}

var office = []string{
	"_sips._tcp.office.test. 60 IN SRV 10 0 5061 edge.office.test.",
	"_sip._tcp.office.test. 60 IN SRV 10 0 5060 edge.office.test.",
	"_sip._udp.office.test. 60 IN SRV 20 0 5070 back.office.test.",
	"_sip._udp.office.test. 60 IN SRV 10 0 5060 edge.office.test.",
	"edge.office.test. 60 IN A 192.0.2.1",
	"edge.office.test. 60 IN AAAA 2001:db8::1",
	"back.office.test. 60 IN CNAME real.office.test.",
	"real.office.test. 60 IN A 192.0.2.2",
	"plain.test. 60 IN A 192.0.2.3",
	"_sip._tcp.closed.test. 60 IN SRV 0 0 0 .",
	"closed.test. 60 IN A 192.0.2.4",
	"short.example.test. 60 IN A 192.0.2.5",
	"_sip._udp.half.test. 60 IN SRV 1 0 5060 gone.half.test.",
	"_sip._udp.half.test. 60 IN SRV 2 0 5060 plain.test.",
}

func TestFind(t *testing.T) {
	tests := []struct {
		name, uri string
		want      []string
		err       error
	}{
		{"address", "sip:bob@192.0.2.9", []string{"udp 192.0.2.9:5060"}, nil},
		{"address and port", "sip:192.0.2.9:5070", []string{"udp 192.0.2.9:5070"}, nil},
		{"IPv6 address over TCP", "sip:[2001:db8::9];transport=tcp", []string{"tcp [2001:db8::9]:5060"}, nil},
		{"address under sips", "sips:192.0.2.9", []string{"tls 192.0.2.9:5061 192.0.2.9"}, nil},
		{"TCP under sips is TLS", "sips:192.0.2.9;transport=tcp", []string{"tls 192.0.2.9:5061 192.0.2.9"}, nil},
		{"UDP under sips is nothing", "sips:192.0.2.9;transport=udp", nil, ErrTransport},
		{"unknown transport", "sip:192.0.2.9;transport=sctp", nil, ErrTransport},
		{"records of every transport, TLS first", "sip:bob@Office.Test", []string{
			"tls [2001:db8::1]:5061 office.test", "tls 192.0.2.1:5061 office.test",
			"tcp [2001:db8::1]:5060", "tcp 192.0.2.1:5060",
			"udp [2001:db8::1]:5060", "udp 192.0.2.1:5060", "udp 192.0.2.2:5070",
		}, nil},
		{"records of one transport, by priority, through an alias", "sip:office.test;transport=udp", []string{
			"udp [2001:db8::1]:5060", "udp 192.0.2.1:5060", "udp 192.0.2.2:5070",
		}, nil},
		{"records under sips", "sips:office.test", []string{"tls [2001:db8::1]:5061 office.test", "tls 192.0.2.1:5061 office.test"}, nil},
		{"a port asks for no records", "sip:edge.office.test:5080", []string{"udp [2001:db8::1]:5080", "udp 192.0.2.1:5080"}, nil},
		{"no records: the host", "sip:plain.test", []string{"udp 192.0.2.3:5060"}, nil},
		{"no records over TLS", "sip:plain.test;transport=tls", []string{"tls 192.0.2.3:5061 plain.test"}, nil},
		{"the service is not offered", "sip:closed.test", nil, ErrNotFound},
		{"one of two targets has no address", "sip:half.test", []string{"udp 192.0.2.3:5060"}, nil},
		{"a search domain", "sip:short", []string{"udp 192.0.2.5:5060"}, nil},
		{"a name with a dot has no search domain", "sip:short.test", nil, ErrNotFound},
		{"nobody of that name", "sip:nobody.test", nil, ErrNotFound},
	}
	r := resolver(newServer(t, office...))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := r.Find(t.Context(), uri(t, test.uri))
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, lines(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFamiliesOfTheSides(t *testing.T) {
	s := newServer(t, office...)
	r := resolver(s, func(c *Config) { c.IPv4 = true })
	got, err := r.Find(t.Context(), uri(t, "sip:edge.office.test"))
	if diff := cmp.Diff([]string{"udp 192.0.2.1:5060"}, lines(got)); err != nil || diff != "" {
		t.Errorf("error %v\n%s", err, diff)
	}
	if _, err := r.Find(t.Context(), uri(t, "sip:[2001:db8::9]")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an address of the other family: %v", err)
	}
	if n := s.count("edge.office.test.", dns.TypeAAAA); n != 0 {
		t.Errorf("asked %d times for addresses of the other family", n)
	}
}

func TestHopsAreBounded(t *testing.T) {
	s := newServer(t)
	for i := range 40 {
		s.add(t, fmt.Sprintf("_sip._udp.wide.test. 60 IN SRV %d 0 5060 h%d.wide.test.", i, i))
		s.add(t, fmt.Sprintf("h%d.wide.test. 60 IN A 192.0.2.%d", i, i+1))
	}
	s.set(func() { s.small = true }) // so large an answer comes over TCP
	got, err := resolver(s).Find(t.Context(), uri(t, "sip:wide.test"))
	if err != nil || len(got) != MaxHops || got[15].Remote.Addr().String() != "192.0.2.16" {
		t.Errorf("got %d hops, %v, error %v", len(got), lines(got), err)
	}
}

func TestServersInTurn(t *testing.T) {
	broken, good := newServer(t), newServer(t, office...)
	broken.set(func() { broken.rcode = dns.RcodeServerFailure })
	r := resolver(good, func(c *Config) { c.Servers = []netip.AddrPort{broken.at, good.at} })
	if got, err := r.Addresses(t.Context(), "plain.test"); err != nil || len(got) != 1 {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := newServer(t)
	s.set(func() { s.silent = true })
	now := time.Now()
	r := resolver(s, func(c *Config) {
		c.Limits = Limits{Query: 20 * time.Millisecond}
		c.IPv4 = true
		c.Now = func() time.Time { return now }
	})
	for range 3 { // the second and third time from memory
		if _, err := r.Addresses(t.Context(), "plain.test"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got error %v", err)
		}
	}
	if n := s.total(); n != rounds {
		t.Errorf("asked %d times, want %d", n, rounds)
	}
	now = now.Add(5 * time.Second)
	_, _ = r.Addresses(t.Context(), "plain.test")
	if n := s.total(); n != 2*rounds {
		t.Errorf("asked %d times after the failure was forgotten, want %d", n, 2*rounds)
	}
}

func TestWhoWaitsMayGiveUp(t *testing.T) {
	s := newServer(t, office...)
	s.set(func() { s.hold = make(chan struct{}) })
	r := resolver(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Addresses(ctx, "plain.test"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	close(s.hold)
	if got, err := r.Addresses(t.Context(), "plain.test"); err != nil || len(got) != 1 || s.count("plain.test.", dns.TypeA) != 1 {
		t.Errorf("the next one: %v, error %v, asked %d times", got, err, s.count("plain.test.", dns.TypeA))
	}
}

func TestHostsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	text := "127.0.0.1 localhost\n# 192.0.2.66 core\n192.0.2.7  Core core.lab # the core\n2001:db8::7 core\nno address\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	r := resolver(s, func(c *Config) { c.Hosts = file })
	got, err := r.Find(t.Context(), uri(t, "sip:core:5070;transport=tcp"))
	if diff := cmp.Diff([]string{"tcp [2001:db8::7]:5070", "tcp 192.0.2.7:5070"}, lines(got)); err != nil || diff != "" {
		t.Errorf("error %v\n%s", err, diff)
	}
	if s.total() != 0 {
		t.Error("name servers were asked")
	}
}
